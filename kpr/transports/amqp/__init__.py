"""AMQP, the bus of Norsk helsenett: one envelope, one retry table, two dialects behind one small bus."""
