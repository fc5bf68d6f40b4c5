// Cases of ours for kafkajs; writes name<TAB>status<TAB>secs<TAB>note lines to $OUT/cases.tsv.
// A case whose feature the broker lacks ($FEATURES) is skipped.
const fs = require('fs'), assert = require('assert')
const { Kafka, CompressionTypes, CompressionCodecs, logLevel, ConfigResourceTypes } = require('kafkajs')
const kafka = new Kafka({ clientId: 'board', brokers: [process.env.BOOTSTRAP], logLevel: logLevel.NOTHING, retry: { retries: 8 } })
const RUN = Math.random().toString(36).slice(2, 9), topic = n => `board-kafkajs-${n}-${RUN}`
const sleep = ms => new Promise(r => setTimeout(r, ms)), cases = [], admin = kafka.admin()
// pure JavaScript codecs: the usual native ones (@kafkajs/zstd, kafkajs-lz4) do not build on Node 20
const lz4 = require('lz4js'), xxh = require('lz4js/xxh32'), snappy = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.Snappy] = snappy
// lz4js says "dependent blocks", which Kafka refuses; one block depends on nothing: set the flag, renew the header checksum
const lz4frame = b => { const o = Buffer.from(lz4.compress(b)); o[4] |= 0x20; const h = o[4] & 8 ? 14 : 6; o[h] = (xxh.hash(0, o, 4, h - 4) >>> 8) & 0xff; return o }
CompressionCodecs[CompressionTypes.LZ4] = () => ({ compress: async e => lz4frame(e.buffer), decompress: async b => Buffer.from(lz4.decompress(b)) })
const zstd = new Promise(r => require('zstd-codec').ZstdCodec.run(z => r(new z.Simple())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({ compress: async e => Buffer.from((await zstd).compress(e.buffer)), decompress: async b => Buffer.from((await zstd).decompress(b)) })
const mk = async (n, p = 3, conf = []) => { const t = topic(n); await admin.createTopics({ waitForLeaders: true, topics: [{ topic: t, numPartitions: p, replicationFactor: 1, configEntries: conf }] }); await sleep(300); return t } // leaders that are named may yet refuse for a moment, and kafkajs then sends whole batches twice
async function fill(t, n, { compression, producer } = {}) {
  const p = producer || kafka.producer(); await p.connect()
  for (let i = 0; i < n; i += 50) await p.send({ topic: t, compression, messages: [...Array(Math.min(50, n - i)).keys()].map(j => ({ key: `k${(i + j) % 7}`, value: `v${i + j}`, headers: { n: String(i + j) } })) })
  if (!producer) await p.disconnect()
}
// What is delivered twice (kafkajs rejoins now and then) counts once: by its offset.
async function read(t, n, { group, limit = 30000, extra = {} } = {}) {
  const c = kafka.consumer({ groupId: group || `${t}-g-${Math.random()}`, sessionTimeout: 10000, heartbeatInterval: 1000, ...extra }), out = [], seen = new Set()
  await c.connect(); await c.subscribe({ topic: t, fromBeginning: true })
  await c.run({ eachMessage: async ({ partition, message }) => { const at = `${partition}:${message.offset}`; if (!seen.has(at)) { seen.add(at); out.push({ partition, offset: Number(message.offset), value: message.value.toString(), n: (message.headers.n || '').toString() }) } } })
  for (const end = Date.now() + limit; out.length < n && Date.now() < end;) await sleep(50)
  await sleep(700); await c.disconnect(); return out
}
const whole = (ms, n) => assert.deepStrictEqual(ms.map(m => +m.value.slice(1)).sort((a, b) => a - b), [...Array(n).keys()])
async function roundtrip(name, opts) {
  const t = await mk(name); await fill(t, 500, opts); const ms = await read(t, 500); whole(ms, 500)
  ms.forEach(m => assert.strictEqual(m.n, m.value.slice(1)))
}
const features = process.env.FEATURES === undefined ? null : process.env.FEATURES.split(' ')
const add = (n, f, needs) => cases.push([n, f, needs])
add('roundtrip_plain', () => roundtrip('plain'))
for (const c of ['GZIP', 'Snappy', 'LZ4', 'ZSTD']) add('roundtrip_' + c, () => roundtrip(c, { compression: CompressionTypes[c] }))
add('idempotent', async () => { const p = kafka.producer({ idempotent: true, maxInFlightRequests: 1 }); await roundtrip('idem', { producer: p }); await p.disconnect() })
add('transactions', async () => {
  const t = await mk('txn', 1), p = kafka.producer({ transactionalId: t, idempotent: true, maxInFlightRequests: 1 }); await p.connect()
  for (let i = 0; i < 4; i++) { const x = await p.transaction(); for (let j = 0; j < 5; j++) await x.send({ topic: t, messages: [{ value: `${i}-${j}` }] }); await (i % 2 ? x.abort() : x.commit()) }
  const ms = await read(t, 10); assert.deepStrictEqual(ms.map(m => m.value), [0, 2].flatMap(i => [0, 1, 2, 3, 4].map(j => `${i}-${j}`)))
  const un = await read(t, 20, { extra: { readUncommitted: true } }); assert.strictEqual(un.length, 20); await p.disconnect()
}, 'transactions')
add('transaction_sendOffsets', async () => {
  const t = await mk('txo', 1), p = kafka.producer({ transactionalId: t, idempotent: true, maxInFlightRequests: 1 }); await p.connect()
  await read(t, 0, { group: t + '-g', limit: 3000 })
  const x = await p.transaction(); await x.send({ topic: t, messages: [{ value: 'a' }] })
  await x.sendOffsets({ consumerGroupId: t + '-g', topics: [{ topic: t, partitions: [{ partition: 0, offset: '5' }] }] }); await x.commit(); await sleep(500)
  const o = await admin.fetchOffsets({ groupId: t + '-g', topics: [t] }); assert.strictEqual(o[0].partitions[0].offset, '5'); await p.disconnect()
}, 'transactions')
add('group_resume', async () => { const t = await mk('res', 2); await fill(t, 100); whole(await read(t, 100, { group: t }), 100); await fill(t, 10); const ms = await read(t, 10, { group: t }); assert.strictEqual(ms.length, 10) })
add('group_two_members', async () => {
  const t = await mk('two', 4), cs = [0, 1].map(() => kafka.consumer({ groupId: t, sessionTimeout: 10000, heartbeatInterval: 500, rebalanceTimeout: 10000 })), as = [[], []]
  for (const [i, c] of cs.entries()) { c.on(c.events.GROUP_JOIN, e => { as[i] = e.payload.memberAssignment[t] || [] }); await c.connect(); await c.subscribe({ topic: t }); await c.run({ eachMessage: async () => { } }) }
  for (let i = 0; i < 600 && !(as[0].length === 2 && as[1].length === 2); i++) await sleep(50)
  assert.deepStrictEqual([...as[0], ...as[1]].sort(), [0, 1, 2, 3])
  const d = await admin.describeGroups([t]); assert.strictEqual(d.groups[0].members.length, 2)
  await cs[1].disconnect(); for (let i = 0; i < 600 && as[0].length !== 4; i++) await sleep(50)
  assert.strictEqual(as[0].length, 4); await cs[0].disconnect()
})
add('admin_topics', async () => {
  const t = await mk('adm', 2, [{ name: 'retention.ms', value: '1234567' }])
  const d = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: t, configNames: ['retention.ms'] }] })
  assert.strictEqual(d.resources[0].configEntries[0].configValue, '1234567')
  await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: t, configEntries: [{ name: 'retention.ms', value: '99' }] }] })
  await admin.createPartitions({ topicPartitions: [{ topic: t, count: 5 }] }); await sleep(500)
  const m = await admin.fetchTopicMetadata({ topics: [t] }); assert.strictEqual(m.topics[0].partitions.length, 5)
  assert.strictEqual(await admin.createTopics({ topics: [{ topic: t }] }), false)
  await admin.deleteTopics({ topics: [t] }); await sleep(500); assert(!(await admin.listTopics()).includes(t))
})
add('admin_offsets', async () => {
  const t = await mk('off', 1); await fill(t, 50)
  assert.deepStrictEqual((await admin.fetchTopicOffsets(t)).map(({ high, low }) => [high, low]), [['50', '0']])
  await admin.deleteTopicRecords({ topic: t, partitions: [{ partition: 0, offset: '20' }] }); await sleep(300)
  assert.strictEqual((await admin.fetchTopicOffsets(t))[0].low, '20')
  await admin.setOffsets({ groupId: t, topic: t, partitions: [{ partition: 0, offset: '30' }] })
  assert.strictEqual((await admin.fetchOffsets({ groupId: t, topics: [t] }))[0].partitions[0].offset, '30')
  const ms = await read(t, 20, { group: t }); assert.strictEqual(ms.length, 20)
  await admin.deleteGroups([t]); assert(!(await admin.listGroups()).groups.some(g => g.groupId === t))
})
add('offsets_by_timestamp', async () => {
  const t = await mk('time', 1), p = kafka.producer(); await p.connect()
  await p.send({ topic: t, messages: [...Array(10).keys()].map(i => ({ value: 'x', timestamp: String(1700000000000 + i * 1000) })) })
  assert.strictEqual((await admin.fetchTopicOffsetsByTimestamp(t, 1700000003500))[0].offset, '4'); await p.disconnect()
})
add('describe_cluster', async () => { const c = await admin.describeCluster(); assert(c.clusterId && c.brokers.length >= 1 && c.controller !== null) })
add('auto_create', async () => { const t = topic('auto'); await fill(t, 5); assert.strictEqual((await read(t, 5)).length, 5) })
process.on('unhandledRejection', e => console.error('unhandled', e && e.message))
;(async () => {
  await admin.connect(); const out = process.env.OUT + '/cases.tsv'; fs.writeFileSync(out, '')
  for (const [n, f, needs] of cases) {
    if (process.env.ONLY && !process.env.ONLY.split(',').includes(n)) continue
    const t = Date.now(); let st = 'pass', note = ''
    if (needs && features && !features.includes(needs)) { fs.appendFileSync(out, [n, 'skip', 0, 'the broker lacks ' + needs].join('\t') + '\n'); continue }
    try { await Promise.race([f(), sleep(90000).then(() => { throw new Error('time limit 90 s') })]) } catch (e) { st = 'fail'; note = String(e && (e.message || e)).replace(/\s+/g, ' ') }
    fs.appendFileSync(out, [n, st, (Date.now() - t) / 1000, note].join('\t') + '\n'); console.log(n, st)
  }
  process.exit(0)
})().catch(e => { console.error(e); process.exit(1) })
