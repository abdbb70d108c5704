# Every target does its own set-up (virtual environment, locked packages) and needs only Python 3.11 and make.
.PHONY: help demo demo-amqp demo-edi demo-prefect test check bench mutate lock clean

help:  ## what one can do here
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

demo:  ## a whole reporting year in about two minutes, with a stand-in register; look in demo-output/ afterwards
	@sh scripts/install
	@.venv/bin/kpr demo --folder demo-output

demo-amqp:  ## the same year over a real RabbitMQ, in both dialects of AMQP; installs it on Debian
	@sh scripts/demo-amqp

demo-edi:  ## the same year as ebXML by mail and by SFTP, with real servers; fetches them on Debian
	@sh scripts/demo-edi

demo-prefect:  ## a season of three municipalities on a Prefect server with a worker; leaves its pages open to look at
	@sh scripts/install
	@.venv/bin/kpr demo-prefect

test:  ## lint, types and all tests
	@sh scripts/test

check:  ## lint and types only
	@sh scripts/install
	@sh scripts/check

bench:  ## time and memory as ratios, measured in one run
	@sh scripts/bench

mutate:  ## mutation tests of the cores (long)
	@sh scripts/mutate

lock:  ## resolve the dependencies anew into requirements.lock
	@sh scripts/lock

clean:  ## remove what the other targets made
	rm -rf .venv build dist demo-output demo-output-* bench-output mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis kpr.egg-info
