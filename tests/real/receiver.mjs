// An AMQP 1.0 client on the npm package rhea, which shares no code with ours. For test_amqp_independent.py.
//
//   node receiver.mjs read SOURCE     takes one message; prints one JSON object that tells all of it
//   node receiver.mjs send TARGET     sends one message, told as JSON on standard input; prints the outcome
//
// The broker and the user stand in BUS_HOST, BUS_PORT, BUS_CA, BUS_USER and BUS_PASSWORD. TLS and SASL PLAIN only.
import { readFileSync } from 'node:fs';
import rhea from 'rhea';

const [mode, address] = process.argv.slice(2);
const { BUS_HOST, BUS_PORT, BUS_CA, BUS_USER, BUS_PASSWORD } = process.env;

// Sections and the order of their fields, AMQP 1.0 part 3 section 3.2.
const SECTIONS = {
    0x70: 'header',
    0x71: 'delivery_annotations',
    0x72: 'message_annotations',
    0x73: 'properties',
    0x74: 'application_properties',
    0x75: 'data',
    0x76: 'amqp_sequence',
    0x77: 'amqp_value',
    0x78: 'footer',
};
const FIELDS = {
    header: ['durable', 'priority', 'ttl', 'first_acquirer', 'delivery_count'],
    properties: [
        'message_id', 'user_id', 'to', 'subject', 'reply_to', 'correlation_id', 'content_type', 'content_encoding',
        'absolute_expiry_time', 'creation_time', 'group_id', 'group_sequence', 'reply_to_group_id',
    ],
};
const TYPES = {
    Str8: 'string', Str32: 'string', Sym8: 'symbol', Sym32: 'symbol', Vbin8: 'binary', Vbin32: 'binary',
    True: 'boolean', False: 'boolean', Boolean: 'boolean', Null: 'null',
};

// A value with its type as it was on the wire: rhea's own objects have lost the difference of string and symbol.
function typed(item) {
    return { type: TYPES[item.type.name] ?? item.type.name, value: item.value };
}

function told(name, section) {
    if (FIELDS[name]) {
        const said = section.value.map((item, place) => [FIELDS[name][place], typed(item)]);
        return Object.fromEntries(said.filter(([, item]) => item.type !== 'null')); // in a list, null is "not there"
    }
    if (section.type.name.startsWith('Map')) {
        const keys = section.value.filter((_, place) => place % 2 === 0);
        return Object.fromEntries(keys.map((key, place) => [key.value, typed(section.value[2 * place + 1])]));
    }
    const binary = typed(section);
    return { type: binary.type, base64: Buffer.from(binary.value ?? '').toString('base64') };
}

function sectionsOf(raw) {
    const reader = new rhea.types.Reader(raw);
    const found = [];
    while (reader.remaining()) {
        const section = reader.read();
        const name = SECTIONS[section.descriptor.value] ?? String(section.descriptor.value);
        found.push({ name, content: told(name, section) });
    }
    return found;
}

let ended = false;
function end(code, answer) {
    if (ended) return;
    ended = true;
    if (answer !== undefined) process.stdout.write(JSON.stringify(answer) + '\n');
    process.exitCode = code;
    connection.close();
    setTimeout(() => process.exit(code), 2000).unref();
}

let raw;
const decode = rhea.message.decode;
rhea.message.decode = (bytes) => {
    raw = Buffer.from(bytes);
    return decode(bytes);
};

const connection = rhea.connect({
    host: BUS_HOST,
    servername: BUS_HOST,
    port: Number(BUS_PORT),
    transport: 'tls',
    ca: [readFileSync(BUS_CA)],
    rejectUnauthorized: true,
    username: BUS_USER,
    password: BUS_PASSWORD,
    reconnect: false,
});
for (const event of ['connection_error', 'session_error', 'receiver_error', 'sender_error', 'disconnected']) {
    connection.on(event, (context) => {
        if (ended) return;
        const error = context.error ?? context.connection?.error ?? context.session?.error ?? event;
        process.stderr.write(`${event}: ${error.condition ?? error}\n`);
        end(1);
    });
}

if (mode === 'read') {
    const receiver = connection.open_receiver({
        source: address,
        credit_window: 0,
        autoaccept: false,
    });
    receiver.add_credit(1);
    connection.on('message', ({ message, delivery }) => {
        const sections = sectionsOf(raw);
        const one = (name) => sections.find((section) => section.name === name)?.content ?? {};
        delivery.accept();
        end(0, {
            sections: sections.map((section) => section.name),
            header: one('header'),
            properties: one('properties'),
            application_properties: one('application_properties'),
            typeof: Object.fromEntries(Object.entries(message.application_properties ?? {}).map(([k, v]) => [k, typeof v])),
            body: one('data'),
        });
    });
} else {
    const message = JSON.parse(readFileSync(0, 'utf8'));
    message.body = rhea.message.data_section(Buffer.from(message.body ?? '', 'base64'));
    const sender = connection.open_sender({ target: address });
    sender.once('sendable', () => sender.send(message));
    for (const outcome of ['accepted', 'released', 'rejected', 'modified']) {
        connection.on(outcome, () => end(outcome === 'accepted' ? 0 : 1, { outcome }));
    }
}
