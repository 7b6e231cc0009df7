// What a user would write for ingestion: fastify + pg, one interaction a POST, answered after its commit. Takes the body that post.lua sends.
//   node server.js single|batch|bare
// single: one INSERT a request that does what Lazo does with the body: finds the contact by its external id and the kind by its name, takes a key once, and adds
// the interaction to Lazo's own table, whose triggers write the change log. batch: what comes within 5 ms goes in one such statement. bare: an INSERT of numbers
// that are given, into a copy of the table without triggers.
// Prints its port. PGHOST, PGUSER, PGDATABASE, and for bare TABLE, CONTACT and KIND, say where to.
import Fastify from 'fastify';
import pg from 'pg';

const mode = process.argv[2];
const pool = new pg.Pool({ max: 20 });
const app = Fastify({ logger: false });
const text = { type: 'string', maxLength: 200 };
const schema = { body: { type: 'object', required: ['contact', 'kind', 'occurred_at'], additionalProperties: false, properties: {
  contact: { type: 'object', required: ['external_id'], additionalProperties: false, properties: { external_id: text } },
  kind: text, occurred_at: { type: 'string', format: 'date-time' }, amount: { type: 'string', pattern: '^-?[0-9]{1,12}(\\.[0-9]{1,2})?$' },
  currency: { type: 'string', maxLength: 3 }, source: text, key: text, data: { type: 'object' } } } };

const writes = `claimed AS (
    INSERT INTO lazo.interaction_key (org_id, source, key, contact_id, interaction_id) SELECT 1, source, key, contact_id, id FROM input WHERE key IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING interaction_id
  ) INSERT INTO lazo.interaction (org_id, id, contact_id, kind_id, occurred_at, recorded_at, amount, amount_recorded, currency, source, data)
  SELECT 1, id, contact_id, kind_id, occurred_at, now(), amount, amount, currency, source, data FROM input
   WHERE key IS NULL OR id IN (SELECT interaction_id FROM claimed) RETURNING id`;
const found = `SELECT nextval('lazo.interaction_id_seq') AS id, n.contact_id, k.id AS kind_id`;
const named = `JOIN lazo.kind k ON k.org_id = 1 AND k.name = u.kind`;
const identity = (value) => `n.org_id = 1 AND n.sort = 'external_id' AND n.value = ${value}`;
const one = { name: 'one', text: `WITH input AS (${found}, $3::timestamptz AS occurred_at, $4::bigint AS amount, $5::text AS currency, $6::text AS source, $7::text AS key, $8::jsonb AS data
    FROM lazo.identity n JOIN lazo.kind k ON k.org_id = 1 AND k.name = $2 WHERE ${identity('$1')}), ${writes}` };
const many = { name: 'many', text: `WITH input AS (${found}, u.* FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::jsonb[])
    AS u(value, kind, occurred_at, amount, currency, source, key, data) JOIN lazo.identity n ON ${identity('u.value')} ${named}), ${writes}` };
const bare = { name: 'bare', text: `INSERT INTO ${process.env.TABLE} (org_id, contact_id, kind_id, occurred_at, recorded_at, amount, amount_recorded, currency, source, data)
  VALUES (1, ${process.env.CONTACT} + $1, ${process.env.KIND}, $2, now(), $3, $3, $4, $5, $6) RETURNING id` };

const cents = (amount) => amount === undefined ? null : Math.round(Number(amount) * 100);
const values = (v) => [v.contact.external_id, v.kind, v.occurred_at, cents(v.amount), v.currency ?? 'EUR', v.source ?? '', v.key ?? null, v.data ?? null];
const numbers = (v) => [Number(v.contact.external_id.split('-')[1]), v.occurred_at, cents(v.amount), v.currency ?? 'EUR', v.source ?? '', v.data ?? null];

let queue = [], timer = null;
const flush = async () => {
  const batch = queue;
  queue = [];
  timer = null;
  try {
    const rows = batch.map((x) => values(x.v));
    const answer = await pool.query({ ...many, values: rows[0].map((_, i) => rows.map((r) => r[i])) });
    batch.forEach((x, i) => x.ok(answer.rows[i].id));
  } catch (e) {
    batch.forEach((x) => x.no(e));
  }
};
const put = (v) => new Promise((ok, no) => {
  queue.push({ v, ok, no });
  if (queue.length >= 500) { clearTimeout(timer); flush(); } else timer ??= setTimeout(flush, 5);
});
const alone = async (statement, given) => (await pool.query({ ...statement, values: given })).rows[0].id;

app.post('/interactions', { schema }, async (request, reply) => {
  const v = request.body;
  const id = mode === 'batch' ? await put(v) : mode === 'bare' ? await alone(bare, numbers(v)) : await alone(one, values(v));
  reply.code(201);
  return { id };
});
await app.listen({ port: 0, host: '127.0.0.1' });
console.log(app.server.address().port);
process.on('SIGTERM', () => process.exit(0));
