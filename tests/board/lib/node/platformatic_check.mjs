// Cases for @platformatic/kafka; writes name<TAB>status<TAB>secs<TAB>note lines to $OUT/cases.tsv. $CLIENT is the folder
// whose node_modules have it.
import assert from 'node:assert'
import fs from 'node:fs'
const { Admin, Consumer, ConfigResourceTypes, ListOffsetTimestamps, Producer, stringDeserializers, stringSerializers } =
  await import(process.env.CLIENT + '/node_modules/@platformatic/kafka/dist/index.js')

const RUN = Math.random().toString(36).slice(2, 9)
const base = { clientId: 'board', bootstrapBrokers: [process.env.BOOTSTRAP] }
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const numbers = n => [...Array(n).keys()]
const cases = []
const test = (name, f) => cases.push([name, f])
const admin = new Admin(base)

async function topic(name, partitions = 3, configs = []) {
  const full = `board-platformatic-${name}-${RUN}`
  await admin.createTopics({ topics: [full], partitions, replicas: 1, configs })
  // Kafka names leaders before their logs are there; a producer that comes too early sends again, which doubles records.
  const asked = [{ name: full, partitions: numbers(partitions).map(partitionIndex => ({ partitionIndex, timestamp: -1n })) }]
  await until('the topic', () => admin.listOffsets({ topics: asked }).then(() => true, () => false))
  return full
}

async function until(what, condition, ms = 30000) {
  for (const end = Date.now() + ms; !(await condition()); await sleep(50)) {
    assert(Date.now() < end, 'waited in vain for ' + what)
  }
}

async function withClient(client, f) {
  try { return await f(client) } finally { await client.close(true) }
}
const producing = (options, f) => withClient(new Producer({ ...base, serializers: stringSerializers, ...options }), f)
const consumer = options => new Consumer({ ...base, deserializers: stringDeserializers, ...(options.groupProtocol ? {} : { heartbeatInterval: 300, sessionTimeout: 10000 }), ...options })
const consuming = (options, f) => withClient(consumer(options), f)

const messages = (name, n, from = 0) => numbers(n).map(i => ({ topic: name, key: `k${from + i}`, value: `v${from + i}`, headers: { n: `${from + i}` } }))
const fill = (name, n, options = {}) => producing(options, p => p.send({ messages: messages(name, n) }))

async function take(consumer, name, n, options = {}) {
  const stream = await consumer.consume({ topics: [name], mode: 'earliest', autocommit: false, ...options })
  const got = []
  stream.on('data', message => got.push(message))
  await until(`${n} records`, () => got.length >= n)
  await stream.close()
  return got
}
function whole(got, n) {
  assert.deepStrictEqual(got.map(m => +m.value.slice(1)).sort((a, b) => a - b), numbers(n))
  got.forEach(m => { assert.strictEqual(m.key, 'k' + m.value.slice(1)); assert.strictEqual(m.headers.get('n'), m.value.slice(1)) })
}
async function roundTrip(name, options) {
  const t = await topic(name)
  await fill(t, 300, options)
  await consuming({ groupId: t }, async c => whole(await take(c, t, 300), 300))
}
const error = async f => { try { await f() } catch (e) { return JSON.stringify(e, (_, v) => typeof v === 'bigint' ? `${v}` : v instanceof Error ? { message: v.message, apiId: v.apiId, errors: v.errors } : v) + e } assert.fail('no error') }

test('roundtrip_none', () => roundTrip('none', {}))
for (const codec of ['gzip', 'snappy', 'lz4', 'zstd']) test('roundtrip_' + codec, () => roundTrip(codec, { compression: codec }))
for (const acks of [1, -1]) test('acks_' + acks, () => roundTrip('acks' + acks, { acks }))
test('acks_0', async () => {
  const t = await topic('acks0', 1)
  await producing({ acks: 0 }, async p => {
    await p.send({ messages: messages(t, 50) })
    await consuming({ groupId: t }, async c => whole(await take(c, t, 50), 50))
  })
})
test('idempotent', async () => {
  const t = await topic('idempotent', 1)
  await producing({ idempotent: true }, async p => {
    for (let i = 0; i < 5; i++) {
      const sent = await p.send({ messages: messages(t, 20, i * 20) })
      assert.strictEqual(sent.offsets[0].offset, BigInt(i * 20))
    }
  })
  await consuming({ groupId: t }, async c => assert.deepStrictEqual((await take(c, t, 100)).map(m => +m.value.slice(1)), numbers(100)))
})
test('producer_stream', async () => {
  const t = await topic('stream', 1)
  await producing({}, async p => {
    const stream = p.asStream({ batchSize: 20, batchTime: 20 })
    messages(t, 100).forEach(m => stream.write(m))
    await new Promise((resolve, reject) => { stream.on('error', reject); stream.end(resolve) })
  })
  await consuming({ groupId: t }, async c => whole(await take(c, t, 100), 100))
})
test('null_and_empty', async () => {
  const t = await topic('null', 1)
  await producing({}, p => p.send({ messages: [{ topic: t, key: 'a', value: '' }, { topic: t, key: 'b' }] }))
  await consuming({ groupId: t }, async c => {
    const got = await take(c, t, 2, { deserializers: { key: b => b?.toString(), value: b => b == null ? null : b.toString() } })
    assert.strictEqual(got[0].value, '')
    assert(got[1].value == null)
  })
})
test('create_time', async () => {
  const t = await topic('time', 1)
  await producing({}, p => p.send({ messages: numbers(10).map(i => ({ topic: t, key: 'k', value: `v${i}`, timestamp: BigInt(1700000000000 + i * 1000) })) }))
  await consuming({ groupId: t }, async c => {
    assert.strictEqual((await take(c, t, 10))[3].timestamp, 1700000003000n)
    const found = await c.listOffsetsWithTimestamps({ topics: [t], timestamp: 1700000003500n })
    assert.strictEqual(found.get(t).get(0).offset, 4n)
    assert.deepStrictEqual((await c.listOffsets({ topics: [t], timestamp: ListOffsetTimestamps.EARLIEST })).get(t), [0n])
    assert.deepStrictEqual((await c.listOffsets({ topics: [t] })).get(t), [10n])
  })
})
test('auto_create', async () => {
  const t = `board-platformatic-auto-${RUN}`
  await fill(t, 10, { autocreateTopics: true })
  await consuming({ groupId: t }, async c => whole(await take(c, t, 10), 10))
})
test('unknown_topic', async () => {
  const said = await error(() => producing({ retries: 0 }, p => p.send({ messages: messages('board-nowhere-' + RUN, 1) })))
  assert.match(said, /Unknown topic/)
})
test('record_too_large', async () => {
  const t = await topic('large', 1, [{ name: 'max.message.bytes', value: '2000' }])
  const said = await error(() => producing({ retries: 0 }, p => p.send({ messages: [{ topic: t, value: 'x'.repeat(5000) }] })))
  assert.match(said, /MESSAGE_TOO_LARGE/)
})
test('large_record', async () => {
  const t = await topic('big', 1)
  await producing({}, p => p.send({ messages: [{ topic: t, key: 'k', value: 'x'.repeat(900000) }] }))
  await consuming({ groupId: t }, async c => assert.strictEqual((await take(c, t, 1, { maxBytes: 1000 }))[0].value.length, 900000))
})
test('commit_and_resume', async () => {
  const t = await topic('resume', 1)
  await fill(t, 20)
  await consuming({ groupId: t }, async c => {
    const got = await take(c, t, 20)
    await got[11].commit()
    const committed = await c.listCommittedOffsets({ topics: [{ topic: t, partitions: [0] }] })
    assert.deepStrictEqual(committed.get(t), [12n])
  })
  await consuming({ groupId: t }, async c => {
    const got = await take(c, t, 8, { mode: 'committed' })
    assert.strictEqual(got[0].offset, 12n)
  })
})
test('autocommit', async () => {
  const t = await topic('autocommit', 1)
  await fill(t, 20)
  await consuming({ groupId: t }, async c => {
    await take(c, t, 20, { autocommit: true })
    await until('the commit', async () => (await c.listCommittedOffsets({ topics: [{ topic: t, partitions: [0] }] })).get(t)[0] === 20n)
  })
})
async function twoMembers(t, options, sizes) {
  const one = consumer({ groupId: t, ...options })
  await withClient(one, async () => {
    const got = []
    const streamOne = await one.consume({ topics: [t], mode: 'earliest', autocommit: false })
    streamOne.on('data', m => got.push(m))
    await consuming({ groupId: t, ...options }, async two => {
      const streamTwo = await two.consume({ topics: [t], mode: 'earliest', autocommit: false })
      streamTwo.on('data', m => got.push(m))
      const shares = () => [one, two].map(c => (c.assignments ?? []).flatMap(a => a.partitions))
      await until('equal shares', () => JSON.stringify(shares().map(s => s.length)) === JSON.stringify(sizes) && new Set(shares().flat()).size === 4)
      await fill(t, 100)
      await until('100 records', () => got.length >= 100)
      await streamTwo.close()
    })
    await until('all partitions', () => (one.assignments ?? []).flatMap(a => a.partitions).length === 4)
    await streamOne.close()
  })
}
test('group_two_members', async () => twoMembers(await topic('two', 4), {}, [2, 2]))
test('group_static_member', async () => {
  const t = await topic('static', 4)
  await fill(t, 20)
  await consuming({ groupId: t, groupInstanceId: 'one' }, async c => { await take(c, t, 20) })
})
test('consumer_protocol_two_members', async () => twoMembers(await topic('protocol', 4), { groupProtocol: 'consumer' }, [2, 2]))
test('admin_topics', async () => {
  const t = await topic('admin', 2, [{ name: 'retention.ms', value: '1234567' }])
  const metadata = await admin.metadata({ topics: [t] })
  assert.strictEqual(metadata.topics.get(t).partitionsCount, 2)
  assert.match(metadata.topics.get(t).id, /^[0-9a-f-]{36}$/)
  assert.match(await error(() => admin.createTopics({ topics: [t], partitions: 2, replicas: 1 })), /TOPIC_ALREADY_EXISTS/)
  await admin.createPartitions({ topics: [{ name: t, count: 4, assignments: null }], validateOnly: false })
  await until('four partitions', async () => (await admin.metadata({ topics: [t], forceUpdate: true })).topics.get(t).partitionsCount === 4)
  await admin.deleteTopics({ topics: [t] })
  await until('the deletion', async () => !(await admin.listTopics()).includes(t))
})
test('admin_configs', async () => {
  const t = await topic('configs', 1, [{ name: 'retention.ms', value: '1234567' }])
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: t }
  const config = async key => (await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: [key] }], includeSynonyms: true, includeDocumentation: true }))[0].configs[0]
  assert.strictEqual((await config('retention.ms')).value, '1234567')
  await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [{ name: 'segment.ms', configOperation: 0, value: '777777' }] }] })
  await until('the new value', async () => (await config('segment.ms')).value === '777777')
  await admin.alterConfigs({ resources: [{ ...resource, configs: [{ name: 'retention.ms', value: '99999' }] }] })
  await until('the default', async () => (await config('segment.ms')).value === '604800000' && (await config('retention.ms')).value === '99999')
})
test('admin_groups', async () => {
  const t = await topic('groups', 2)
  await fill(t, 10)
  await consuming({ groupId: t, autocommit: false }, async c => {
    const stream = await c.consume({ topics: [t], mode: 'earliest', autocommit: false })
    stream.on('data', () => {})
    await until('a stable group', async () => (await admin.describeGroups({ groups: [t] })).get(t).state.toUpperCase() === 'STABLE')
    const group = (await admin.describeGroups({ groups: [t] })).get(t)
    assert.strictEqual(group.members.size, 1)
    assert.strictEqual(group.protocolType, 'consumer')
    assert.strictEqual((await admin.listGroups()).get(t).groupType, 'classic')
    assert.match(await error(() => admin.deleteGroups({ groups: [t] })), /NON_EMPTY_GROUP/)
    await stream.close()
  })
  await admin.alterConsumerGroupOffsets({ groupId: t, topics: [{ name: t, partitionOffsets: [{ partition: 0, offset: 3n }, { partition: 1, offset: 4n }] }] })
  const offsets = async () => (await admin.listConsumerGroupOffsets({ groups: [t] }))[0].topics.flatMap(x => x.partitions.map(p => `${p.partitionIndex}:${p.committedOffset}`)).sort()
  assert.deepStrictEqual(await offsets(), ['0:3', '1:4'])
  await admin.deleteConsumerGroupOffsets({ groupId: t, topics: [{ name: t, partitionIndexes: [0] }] })
  assert.deepStrictEqual(await offsets(), ['1:4'])
  await admin.deleteGroups({ groups: [t] })
  assert(!(await admin.listGroups()).has(t))
})
test('admin_records', async () => {
  const t = await topic('records', 1)
  await fill(t, 50)
  const deleted = await admin.deleteRecords({ topics: [{ name: t, partitions: [{ partition: 0, offset: 20n }] }] })
  assert.strictEqual(deleted[0].partitions[0].lowWatermark, 20n)
  const listed = await admin.listOffsets({ topics: [{ name: t, partitions: [{ partitionIndex: 0, timestamp: -2n }] }] })
  assert.strictEqual(listed[0].partitions[0].offset, 20n)
})
test('admin_cluster', async () => {
  const metadata = await admin.metadata({ topics: [] })
  assert.strictEqual(metadata.brokers.size, 1)
  assert(metadata.id)
  const found = await admin.findCoordinator({ keyType: 0, keys: ['a', 'b'] })
  assert.deepStrictEqual(found.map(f => f.key).sort(), ['a', 'b'])
})
test('admin_log_dirs', async () => {
  const t = await topic('dirs', 2)
  const dirs = await admin.describeLogDirs({ topics: [{ name: t, partitions: [0, 1] }] })
  assert.strictEqual(dirs[0].results[0].topics.flatMap(x => x.partitions).length, 2)
})
test('admin_quotas', async () => {
  const entities = [{ entityType: 'client-id', entityName: 'board-' + RUN }]
  await admin.alterClientQuotas({ entries: [{ entities, ops: [{ key: 'producer_byte_rate', value: 1e9, remove: false }] }] })
  await until('the quota', async () => (await admin.describeClientQuotas({ components: [{ entityType: 'client-id', matchType: 0, match: 'board-' + RUN }] })).length === 1)
  await admin.alterClientQuotas({ entries: [{ entities, ops: [{ key: 'producer_byte_rate', value: 0, remove: true }] }] })
})
test('transactions', async () => {
  const t = await topic('transactions', 1)
  await producing({ idempotent: true, transactionalId: t }, async p => {
    for (let i = 0; i < 3; i++) {
      const transaction = await p.beginTransaction()
      await transaction.send({ messages: messages(t, 5, i * 5) })
      await (i % 2 ? transaction.abort() : transaction.commit())
    }
  })
  await consuming({ groupId: t, isolationLevel: 1 }, async c => {
    assert.deepStrictEqual((await take(c, t, 10, { isolationLevel: 1 })).map(m => +m.value.slice(1)), [0, 1, 2, 3, 4, 10, 11, 12, 13, 14])
  })
})

process.on('unhandledRejection', e => console.error('unhandled', e))
const out = process.env.OUT + '/cases.tsv'
fs.writeFileSync(out, '')
for (const [name, f] of cases) {
  if (process.env.ONLY && !process.env.ONLY.split(',').includes(name)) continue
  const began = Date.now()
  let note = ''
  try {
    await Promise.race([f(), sleep(60000).then(() => { throw new Error('not done within 60 s') })])
  } catch (e) {
    note = `${e?.stack ?? e} ${(e?.errors ?? []).map(String).join(' | ')}`.replace(/\s+/g, ' ').slice(0, 900) || 'failed'
  }
  fs.appendFileSync(out, [name, note ? 'fail' : 'pass', (Date.now() - began) / 1000, note].join('\t') + '\n')
  console.log(name, note ? 'fail' : 'pass')
}
process.exit(0)
