// kafkajs as a member of a group, and its smoke cases. See ../../compat/clients.py.
const assert = require('assert')
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')

const [mode, bootstrap, ...rest] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'compat', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 8 } })
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function member(topic, groupId) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 10000, maxWaitTimeInMs: 200, maxBytesPerPartition: 131072 })
  let stopping = false
  process.on('SIGTERM', async () => {
    if (stopping) return
    stopping = true
    await Promise.race([consumer.disconnect(), sleep(4000)])
    process.exit(0)
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => console.error('crash:', payload.error.name, payload.error.message, payload.error.cause || ''))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachBatchAutoResolve: false,
    // The reader of our pipe sets the pace: wait until it has taken a batch, then resolve (and so commit) it.
    eachBatch: async ({ batch, resolveOffset, heartbeat, isStale }) => {
      for (let at = 0; at < batch.messages.length && !stopping && !isStale(); at += 100) {
        const part = batch.messages.slice(at, at + 100)
        const text = part.map((m) => `${batch.partition}\t${m.offset}\t${m.key === null ? -1 : m.key.length}\t${m.key || ''}\t${m.value || ''}\n`).join('')
        await new Promise((resolve) => process.stdout.write(text, resolve))
        resolveOffset(part[part.length - 1].offset)
        await heartbeat()
      }
    },
  })
}

// Pure JavaScript codecs: the usual native ones do not build on Node 20.
function installCodecs() {
  const lz4 = require('lz4js')
  const xxh = require('lz4js/xxh32')
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
  // lz4js sets the flag "dependent blocks", which Kafka refuses. One block depends on nothing: mend the flag and the header's checksum.
  const frame = (buffer) => {
    const out = Buffer.from(lz4.compress(buffer))
    out[4] |= 0x20
    const end = out[4] & 8 ? 14 : 6
    out[end] = (xxh.hash(0, out, 4, end - 4) >>> 8) & 0xff
    return out
  }
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async (encoder) => frame(encoder.buffer),
    decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
  })
  const zstd = new Promise((resolve) => require('zstd-codec').ZstdCodec.run((z) => resolve(new z.Simple())))
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder) => Buffer.from((await zstd).compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from((await zstd).decompress(buffer)),
  })
}

async function smoke(prefix) {
  const admin = kafka.admin()
  await admin.connect()
  const run = Math.random().toString(36).slice(2, 9)
  const make = async (name, numPartitions = 2, configEntries = []) => {
    const topic = `${prefix}-${name}-${run}`
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] })
    return topic
  }
  const fill = async (topic, count, compression, options = {}) => {
    const producer = kafka.producer(options)
    await producer.connect()
    for (let at = 0; at < count; at += 100) {
      const messages = [...Array(Math.min(100, count - at)).keys()].map((j) => {
        const i = at + j
        return { partition: i % 2, key: i % 5 ? `k${i}` : null, value: i % 7 ? `v${i}` : null, headers: { n: String(i) } }
      })
      await producer.send({ topic, acks: -1, compression, messages })
    }
    await producer.disconnect()
  }
  const read = async (topic, count, groupId = `${topic}-g`) => {
    const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 500, maxWaitTimeInMs: 200 })
    const out = []
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({ eachMessage: async ({ partition, message }) => void out.push({ partition, ...message }) })
    for (const end = Date.now() + 25000; out.length < count && Date.now() < end;) await sleep(20)
    await consumer.disconnect()
    assert.strictEqual(out.length, count)
    return out
  }
  const roundtrip = async (name, compression, options) => {
    const topic = await make(name)
    await fill(topic, 500, compression, options)
    const text = (buffer) => (buffer === null ? null : buffer.toString())
    const seen = new Set()
    for (const m of await read(topic, 500)) {
      const i = Number(m.headers.n.toString())
      seen.add(i)
      assert.strictEqual(text(m.key), i % 5 ? `k${i}` : null)
      assert.strictEqual(text(m.value), i % 7 ? `v${i}` : null)
    }
    assert.strictEqual(seen.size, 500)
  }
  const cases = {
    none: () => roundtrip('none', CompressionTypes.None),
    gzip: () => roundtrip('gzip', CompressionTypes.GZIP),
    snappy: () => roundtrip('snappy', CompressionTypes.Snappy),
    lz4: () => roundtrip('lz4', CompressionTypes.LZ4),
    zstd: () => roundtrip('zstd', CompressionTypes.ZSTD),
    idempotent: () => roundtrip('idem', CompressionTypes.None, { idempotent: true, maxInFlightRequests: 1 }),
    group_resume: async () => {
      const topic = await make('resume')
      await fill(topic, 100)
      await read(topic, 100, topic)
      await fill(topic, 10)
      await read(topic, 10, topic)
      const groups = await admin.listGroups()
      assert(groups.groups.some((g) => g.groupId === topic))
      await admin.deleteGroups([topic])
      assert(!(await admin.listGroups()).groups.some((g) => g.groupId === topic))
    },
    offsets_by_timestamp: async () => {
      const topic = await make('time', 1)
      const producer = kafka.producer()
      await producer.connect()
      await producer.send({ topic, messages: [...Array(10).keys()].map((i) => ({ value: 'x', timestamp: String(1700000000000 + i * 1000) })) })
      await producer.disconnect()
      assert.strictEqual((await admin.fetchTopicOffsetsByTimestamp(topic, 1700000003500))[0].offset, '4')
      assert.deepStrictEqual((await admin.fetchTopicOffsets(topic)).map(({ high, low }) => [high, low]), [['10', '0']])
    },
    topics_and_configs: async () => {
      const topic = await make('admin', 2, [{ name: 'retention.ms', value: '1234567' }])
      const described = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }] })
      assert.strictEqual(described.resources[0].configEntries[0].configValue, '1234567')
      await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '99' }] }] })
      await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
      const count = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length
      for (const end = Date.now() + 10000; (await count()) !== 5 && Date.now() < end;) await sleep(50)
      assert.strictEqual(await count(), 5)
      assert.strictEqual(await admin.createTopics({ topics: [{ topic }] }), false)
      await admin.deleteTopics({ topics: [topic] })
      for (const end = Date.now() + 10000; (await admin.listTopics()).includes(topic) && Date.now() < end;) await sleep(50)
      assert(!(await admin.listTopics()).includes(topic))
    },
    admin_offsets: async () => {
      const topic = await make('offsets', 1)
      // kafkajs only finds the leader of a topic that this admin client has asked about before.
      await admin.fetchTopicOffsets(topic)
      const producer = kafka.producer()
      await producer.connect()
      await producer.send({ topic, messages: [...Array(50).keys()].map((i) => ({ value: `v${i}` })) })
      await producer.disconnect()
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '20' }] })
      assert.strictEqual((await admin.fetchTopicOffsets(topic))[0].low, '20')
      await admin.setOffsets({ groupId: topic, topic, partitions: [{ partition: 0, offset: '30' }] })
      assert.strictEqual((await admin.fetchOffsets({ groupId: topic, topics: [topic] }))[0].partitions[0].offset, '30')
      await read(topic, 20, topic)
    },
    describe_cluster: async () => {
      const cluster = await admin.describeCluster()
      assert(cluster.clusterId && cluster.brokers.length === 1 && cluster.controller !== null)
    },
    auto_create: async () => {
      const topic = `${prefix}-auto-${run}`
      await fill(topic, 5)
      await read(topic, 5)
    },
  }
  for (const [name, action] of Object.entries(cases)) {
    try {
      await Promise.race([action(), sleep(45000).then(() => { throw new Error('no end within 45 s') })])
      console.log('pass', name)
    } catch (error) {
      const causes = (error.errors || error.partitions || []).map((e) => e.message || JSON.stringify(e)).join('; ')
      console.log('fail', name, `${error.message || error} ${causes}`.replace(/\s+/g, ' '))
    }
  }
  process.exit(0)
}

process.on('unhandledRejection', (error) => console.error('unhandled', error && error.message))
installCodecs()
const task = mode === 'member' ? member(...rest) : smoke(...rest)
task.catch((error) => { console.error(error); process.exit(1) })
