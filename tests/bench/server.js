// What a user would write for ingestion: fastify + pg, one interaction a POST, answered after its commit.
//   node server.js single|batch     batch: what comes within 5 ms goes in one INSERT ... SELECT unnest
// Prints its port. PGHOST, PGUSER, PGDATABASE and TABLE say where to.
import Fastify from 'fastify';
import pg from 'pg';

const mode = process.argv[2];
const table = process.env.TABLE;
const pool = new pg.Pool({ max: 20 });
const app = Fastify({ logger: false });
const schema = { body: { type: 'object', required: ['contact_id', 'kind_id', 'occurred_at'], additionalProperties: false, properties: {
  contact_id: { type: 'integer' }, kind_id: { type: 'integer' }, occurred_at: { type: 'string', format: 'date-time' }, amount: { type: 'integer' },
  currency: { type: 'string', maxLength: 3 }, source: { type: 'string', maxLength: 100 }, data: { type: 'object' } } } };
const columns = '(org_id, contact_id, kind_id, occurred_at, recorded_at, amount, amount_recorded, currency, source, data)';
const one = { name: 'one', text: `INSERT INTO ${table} ${columns} VALUES (1, $1, $2, $3, now(), $4, $4, $5, $6, $7) RETURNING id` };
const many = { name: 'many', text: `INSERT INTO ${table} ${columns} SELECT 1, c, k, o, now(), a, a, u, s, d
  FROM unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::jsonb[]) AS t(c, k, o, a, u, s, d) RETURNING id` };
const values = (v) => [v.contact_id, v.kind_id, v.occurred_at, v.amount ?? null, v.currency ?? null, v.source ?? '', v.data ?? null];

let queue = [], timer = null;
const flush = async () => {
  const batch = queue;
  queue = [];
  timer = null;
  try {
    const rows = batch.map((x) => values(x.v));
    const answer = await pool.query({ ...many, values: many.text.match(/\$\d/g).map((_, i) => rows.map((r) => r[i])) });
    batch.forEach((x, i) => x.ok(answer.rows[i].id));
  } catch (e) {
    batch.forEach((x) => x.no(e));
  }
};
const put = (v) => new Promise((ok, no) => {
  queue.push({ v, ok, no });
  if (queue.length >= 500) { clearTimeout(timer); flush(); } else timer ??= setTimeout(flush, 5);
});

app.post('/interactions', { schema }, async (request, reply) => {
  const id = mode === 'batch' ? await put(request.body) : (await pool.query({ ...one, values: values(request.body) })).rows[0].id;
  reply.code(201);
  return { id };
});
await app.listen({ port: 0, host: '127.0.0.1' });
console.log(app.server.address().port);
process.on('SIGTERM', () => process.exit(0));
