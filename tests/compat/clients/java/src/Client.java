import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Java's kafka-clients as a member of a group, and its smoke cases. See ../../../compat/clients.py. */
public final class Client {
    private final String bootstrap;
    private final String prefix;
    private final Admin admin;

    private Client(String bootstrap, String prefix) {
        this.bootstrap = bootstrap;
        this.prefix = prefix;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("member")) {
            member(args[1], args[2], args[3]);
        } else {
            new Client(args[1], args[2]).smoke();
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String group) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", group);
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("session.timeout.ms", "6000");
        p.put("heartbeat.interval.ms", "500");
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static void member(String bootstrap, String topic, String group) {
        KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, group);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join(4000);
            } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
            }
        }));
        PrintStream out = new PrintStream(new BufferedOutputStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), 1 << 16), false);
        consumer.subscribe(List.of(topic));
        try {
            while (true) {
                var records = consumer.poll(Duration.ofMillis(200));
                if (records.isEmpty()) {
                    continue;
                }
                for (ConsumerRecord<byte[], byte[]> r : records) {
                    int length = r.key() == null ? -1 : r.key().length;
                    String head = r.partition() + "\t" + r.offset() + "\t" + length + "\t" + text(r.key()) + "\t" + text(r.value()) + "\n";
                    byte[] line = head.getBytes(StandardCharsets.UTF_8);
                    out.write(line, 0, line.length);
                }
                out.flush();
                try {
                    consumer.commitSync();
                } catch (WakeupException e) {
                    throw e;
                } catch (KafkaException e) {
                    System.err.println("commit: " + e.getMessage()); // rebalancing: the records come again
                }
            }
        } catch (WakeupException stop) {
            consumer.close();
        }
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "" : new String(bytes, StandardCharsets.UTF_8);
    }

    private static void require(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private String topic(String name, int partitions, Map<String, String> configs) throws Exception {
        String topic = prefix + "-" + name + "-" + UUID.randomUUID().toString().substring(0, 6);
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        return topic;
    }

    private void fill(String topic, int count, Long firstTimestamp, Map<String, Object> more) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("linger.ms", "5");
        p.putAll(more);
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < count; i++) {
                Long timestamp = firstTimestamp == null ? null : firstTimestamp + i * 1000L;
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, firstTimestamp == null ? i % 2 : 0, timestamp,
                        i % 5 == 0 ? null : ("k" + i).getBytes(), i % 7 == 0 ? null : ("v" + i).getBytes());
                record.headers().add("n", Integer.toString(i).getBytes()).add("none", null);
                answers.add(producer.send(record));
            }
        }
        for (Future<RecordMetadata> answer : answers) {
            answer.get();
        }
    }

    private List<ConsumerRecord<byte[], byte[]>> take(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> got = new ArrayList<>();
        long end = System.currentTimeMillis() + 25_000;
        while (got.size() < count && System.currentTimeMillis() < end) {
            consumer.poll(Duration.ofMillis(200)).forEach(got::add);
        }
        require(got.size() == count, got.size() + " of " + count + " records");
        return got;
    }

    private void roundtrip(String codec, boolean idempotent) throws Exception {
        String topic = topic("rt-" + codec, 2, Map.of());
        fill(topic, 1000, null, Map.of("compression.type", codec, "enable.idempotence", idempotent, "acks", "all"));
        Set<Integer> seen = new HashSet<>();
        Map<TopicPartition, OffsetAndMetadata> last = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, topic)) {
            consumer.subscribe(List.of(topic));
            for (ConsumerRecord<byte[], byte[]> r : take(consumer, 1000)) {
                int i = Integer.parseInt(text(r.headers().lastHeader("n").value()));
                require(r.headers().lastHeader("none").value() == null, "null header");
                require(seen.add(i), "twice: " + i);
                require(i % 5 == 0 ? r.key() == null : text(r.key()).equals("k" + i), "key of " + i);
                require(i % 7 == 0 ? r.value() == null : text(r.value()).equals("v" + i), "value of " + i);
                TopicPartition tp = new TopicPartition(topic, r.partition());
                require(r.offset() == (last.containsKey(tp) ? last.get(tp).offset() : 0), "gap or disorder");
                last.put(tp, new OffsetAndMetadata(r.offset() + 1, "note"));
            }
            consumer.commitSync(last);
            var stored = consumer.committed(last.keySet());
            for (var e : last.entrySet()) {
                OffsetAndMetadata o = stored.get(e.getKey());
                require(o.offset() == e.getValue().offset() && o.metadata().equals("note"), "committed offset");
            }
        }
    }

    private void offsetsByTimestamp() throws Exception {
        String topic = topic("time", 1, Map.of());
        fill(topic, 10, 1_700_000_000_000L, Map.of());
        TopicPartition tp = new TopicPartition(topic, 0);
        long[] want = {4, -1, 0, 10, 9};
        OffsetSpec[] ask = {OffsetSpec.forTimestamp(1_700_000_003_500L), OffsetSpec.forTimestamp(1_700_000_009_001L),
            OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp()};
        for (int i = 0; i < ask.length; i++) {
            long got = admin.listOffsets(Map.of(tp, ask[i])).partitionResult(tp).get().offset();
            require(got == want[i], ask[i].getClass().getSimpleName() + ": " + got);
        }
    }

    private void configs() throws Exception {
        String topic = topic("conf", 1, Map.of("retention.ms", "1234567"));
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        require(config(resource, "retention.ms").equals("1234567"), "retention.ms as created");
        require(config(resource, "cleanup.policy").equals("delete"), "cleanup.policy by default");
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "77"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
        long end = System.currentTimeMillis() + 5000;
        while (!config(resource, "retention.ms").equals("77") && System.currentTimeMillis() < end) {
            Thread.sleep(50);
        }
        require(config(resource, "retention.ms").equals("77"), "retention.ms as altered");
        require(config(resource, "cleanup.policy").equals("delete,compact"), "cleanup.policy as appended");
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        require(config(broker, "num.partitions") != null, "broker config");
    }

    private String config(ConfigResource resource, String name) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name).value();
    }

    private int partitions(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    private void topics() throws Exception {
        String topic = topic("topic", 2, Map.of());
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        long end = System.currentTimeMillis() + 10_000;
        while (partitions(topic) != 5 && System.currentTimeMillis() < end) {
            Thread.sleep(50);
        }
        require(partitions(topic) == 5, "partitions after growth");
        try {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
            require(false, "a topic was created twice");
        } catch (ExecutionException e) {
            require(e.getCause() instanceof TopicExistsException, "error " + e.getCause());
        }
        admin.deleteTopics(List.of(topic)).all().get();
        end = System.currentTimeMillis() + 10_000;
        while (admin.listTopics().names().get().contains(topic) && System.currentTimeMillis() < end) {
            Thread.sleep(50);
        }
        require(!admin.listTopics().names().get().contains(topic), "topic is still listed");
    }

    private void deleteRecords() throws Exception {
        String topic = topic("cut", 1, Map.of());
        fill(topic, 20, 1_700_000_000_000L, Map.of());
        TopicPartition tp = new TopicPartition(topic, 0);
        long low = admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(12))).lowWatermarks().get(tp).get().lowWatermark();
        require(low == 12, "low watermark " + low);
        require(admin.listOffsets(Map.of(tp, OffsetSpec.earliest())).partitionResult(tp).get().offset() == 12, "earliest");
    }

    private void groups() throws Exception {
        String topic = topic("group", 2, Map.of());
        fill(topic, 100, null, Map.of());
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, topic)) {
            consumer.subscribe(List.of(topic));
            take(consumer, 100);
            consumer.commitSync();
            var group = admin.describeConsumerGroups(List.of(topic)).all().get().get(topic);
            require(group.members().size() == 1 && group.groupState().toString().equals("Stable"), "state " + group.groupState());
        }
        fill(topic, 10, null, Map.of());
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, topic)) {
            consumer.subscribe(List.of(topic));
            take(consumer, 10);
        }
        var offsets = admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get();
        require(offsets.values().stream().mapToLong(OffsetAndMetadata::offset).sum() == 100, "offsets of the group");
        admin.deleteConsumerGroups(List.of(topic)).all().get();
        require(admin.listGroups().all().get().stream().noneMatch(g -> g.groupId().equals(topic)), "group is still listed");
    }

    private void cluster() throws Exception {
        var cluster = admin.describeCluster();
        require(cluster.nodes().get().size() == 1 && cluster.controller().get() != null && cluster.clusterId().get() != null, "cluster");
        require(!admin.describeLogDirs(List.of(cluster.nodes().get().iterator().next().id())).allDescriptions().get().isEmpty(), "log dirs");
        require(admin.describeMetadataQuorum().quorumInfo().get().leaderId() > 0, "quorum");
    }

    private void smoke() {
        Map<String, Callable<Void>> cases = new LinkedHashMap<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.put(codec, () -> { roundtrip(codec, false); return null; });
        }
        cases.put("idempotent", () -> { roundtrip("lz4", true); return null; });
        cases.put("offsets_by_timestamp", () -> { offsetsByTimestamp(); return null; });
        cases.put("configs", () -> { configs(); return null; });
        cases.put("topics", () -> { topics(); return null; });
        cases.put("delete_records", () -> { deleteRecords(); return null; });
        cases.put("groups", () -> { groups(); return null; });
        cases.put("cluster", () -> { cluster(); return null; });
        for (var e : cases.entrySet()) {
            try {
                e.getValue().call();
                System.out.println("pass " + e.getKey());
            } catch (Exception | AssertionError reason) {
                System.out.println("fail " + e.getKey() + " " + String.valueOf(reason).replaceAll("\\s+", " "));
            }
        }
        admin.close(Duration.ofSeconds(2));
    }
}
