import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Fills a broker with everything a data directory can hold, writes down what a client sees of it, and goes on with the
 * same producers and groups while the broker behind the address is exchanged. Commands come as lines on standard input;
 * each is answered by one line, `ok …` or `failed …`. See ../../../compat/suites/swap.py.
 */
public final class Swap {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final int PER_PARTITION = 120;
    private static final String SEGMENT_MS = "20000";

    private final String bootstrap;
    private final Admin admin;
    private long began = System.currentTimeMillis() - 7_200_000;
    private final Map<String, KafkaProducer<byte[], byte[]>> kept = new HashMap<>();
    private final Map<String, Long> groupPositions = new HashMap<>();
    // All that were ever listed: while a broker loads them, it may list fewer.
    private final Set<String> groups = new TreeSet<>();
    private long written;

    private Swap(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "reconnect.backoff.max.ms", "200"));
    }

    public static void main(String[] args) throws Exception {
        Swap swap = new Swap(args[0]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            try {
                String note = swap.command(words);
                System.out.println("ok " + note);
            } catch (Exception reason) {
                Throwable cause = reason instanceof ExecutionException ? reason.getCause() : reason;
                System.out.println("failed " + cause.toString().replace('\n', ' ') + " at "
                    + Arrays.toString(cause.getStackTrace()).replaceAll("^(.{0,600}).*", "$1"));
            }
            System.out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private String command(String[] words) throws Exception {
        switch (words[0]) {
            case "fill": return fill(words.length > 1 ? List.of(words).subList(1, words.length) : List.of());
            case "state": return state(Path.of(words[1]));
            case "continue": return goOn(Integer.parseInt(words[1]));
            case "commit": return endOpen(true);
            case "acls": return acls();
            case "compacted": return compactedMore();
            default: throw new IllegalArgumentException(words[0]);
        }
    }

    // What a directory holds.

    private String fill(List<String> extras) throws Exception {
        for (String codec : CODECS) {
            create("codec-" + codec, 3, Map.of("segment.ms", SEGMENT_MS, "index.interval.bytes", "256",
                "retention.ms", "-1", "compression.type", codec.equals("none") ? "producer" : codec));
            try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("compression.type", codec))) {
                fillPartitions(producer, "codec-" + codec, 3, PER_PARTITION, false);
            }
        }
        create("odd.name_with-5-", 1, Map.of("retention.ms", "-1", "message.timestamp.type", "LogAppendTime"));
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("enable.idempotence", "false", "acks", "1"))) {
            fillPartitions(producer, "odd.name_with-5-", 1, PER_PARTITION, false);
        }
        create("t".repeat(249), 1, Map.of());
        create("empty", 2, Map.of("retention.ms", "12345678", "min.insync.replicas", "1"));
        fillCompacted();
        fillCut();
        fillGroups();
        fillSettings();
        for (String extra : extras) {
            switch (extra) {
                case "transactions": fillTransactions(); break;
                case "consumer-groups": fillNewGroups(); break;
                default: throw new IllegalArgumentException(extra);
            }
        }
        create("gone", 2, Map.of());
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            fillPartitions(producer, "gone", 2, 10, false);
        }
        admin.deleteTopics(List.of("gone")).all().get();
        return "filled";
    }

    private void fillPartitions(KafkaProducer<byte[], byte[]> producer, String topic, int partitions, int count, boolean keyed) {
        for (int i = 0; i < count; i++) {
            for (int partition = 0; partition < partitions; partition++) {
                producer.send(record(topic, partition, i, keyed));
            }
            if (i % 10 == 9) {
                producer.flush();
            }
        }
        producer.flush();
    }

    private ProducerRecord<byte[], byte[]> record(String topic, int partition, int i, boolean keyed) {
        byte[] key = keyed ? bytes("key-" + i * 7 % 23) : i % 5 == 0 ? null : bytes("k" + i);
        byte[] value = i % 11 == 10 ? null : bytes((topic.length() > 99 ? "t" : topic) + " value " + i + " " + "x".repeat(i % 40 * 5));
        List<Header> headers = i % 3 == 0 ? List.of() : List.of(new RecordHeader("n", bytes("" + i)),
            new RecordHeader("none", null), new RecordHeader("n", bytes("again")), new RecordHeader("", new byte[0]));
        return new ProducerRecord<>(topic, partition, began + i * 1000L, key, value, headers);
    }

    private void fillCompacted() throws Exception {
        Map<String, String> common = Map.of("cleanup.policy", "compact", "segment.ms", SEGMENT_MS, "min.cleanable.dirty.ratio",
            "0.01", "index.interval.bytes", "256");
        Map<String, String> short_ = new HashMap<>(common);
        short_.put("delete.retention.ms", "0");
        Map<String, String> both = new HashMap<>(common);
        both.put("cleanup.policy", "compact,delete");
        both.put("retention.ms", "-1");
        create("compacted", 2, common);
        create("compacted-soon", 2, short_);
        create("compacted-deleted", 1, both);
        for (String topic : List.of("compacted", "compacted-soon", "compacted-deleted")) {
            int partitions = topic.equals("compacted-deleted") ? 1 : 2;
            for (String codec : List.of("none", "zstd")) {
                try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("compression.type", codec))) {
                    fillPartitions(producer, topic, partitions, PER_PARTITION, true);
                }
                began += PER_PARTITION * 1000L;
            }
        }
    }

    /** A second helping for the compacted topics: what was a tombstone may go now. */
    private String compactedMore() throws Exception {
        began += PER_PARTITION * 1000L;
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            for (String topic : List.of("compacted", "compacted-soon")) {
                fillPartitions(producer, topic, 2, PER_PARTITION, true);
            }
        }
        return "more";
    }

    private void fillCut() throws Exception {
        create("cut", 1, Map.of("segment.ms", SEGMENT_MS, "retention.ms", "-1"));
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            fillPartitions(producer, "cut", 1, PER_PARTITION, false);
        }
        admin.deleteRecords(Map.of(new TopicPartition("cut", 0), RecordsToDelete.beforeOffset(57))).all().get();
    }

    private void fillGroups() throws Exception {
        consumeSome("classic", "codec-none", 40, Map.of());
        consumeSome("static", "codec-gzip", 30, Map.of("group.instance.id", "one"));
        create("ids", 2, Map.of("retention.ms", "-1"));
        goOn(5);
        admin.alterConsumerGroupOffsets("simple", Map.of(new TopicPartition("codec-lz4", 0), new OffsetAndMetadata(17, "märk"),
            new TopicPartition("codec-lz4", 1), new OffsetAndMetadata(0))).all().get();
        admin.alterConsumerGroupOffsets("deleted", Map.of(new TopicPartition("codec-lz4", 0), new OffsetAndMetadata(1))).all().get();
        admin.deleteConsumerGroups(List.of("deleted")).all().get();
    }

    private void fillNewGroups() throws Exception {
        consumeSome("next", "codec-zstd", 25, Map.of("group.protocol", "consumer"));
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", "shared"));
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "shared");
        alter(group, Map.of("share.auto.offset.reset", "earliest"));
        try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("codec-snappy"));
            long end = System.currentTimeMillis() + 20_000;
            int count = 0;
            while (count < 10 && System.currentTimeMillis() < end) {
                count += consumer.poll(Duration.ofMillis(200)).count();
            }
            require(count >= 10, "the share group read " + count);
            consumer.commitSync();
        }
    }

    private void fillSettings() throws Exception {
        admin.alterClientQuotas(List.of(
            quota(Map.of("user", "anna"), "producer_byte_rate", 1_000_000.0),
            quota(Map.of("user", "anna", "client-id", "x"), "consumer_byte_rate", 2_000_000.0),
            quota(nullable("client-id"), "request_percentage", 150.0),
            quota(nullable("user"), "controller_mutation_rate", 50.0),
            quota(Map.of("ip", "10.1.2.3"), "connection_creation_rate", 99.0))).all().get();
        admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("anna", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"),
            new UserScramCredentialUpsertion("bert", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), "other"))).all().get();
        admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("anna", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192), "more"))).all().get();
        alter(new ConfigResource(ConfigResource.Type.BROKER, ""), Map.of("log.retention.ms", "987654321"));
        alter(new ConfigResource(ConfigResource.Type.BROKER, "1"), Map.of("message.max.bytes", "1048000"));
        alter(new ConfigResource(ConfigResource.Type.TOPIC, "empty"), Map.of("max.message.bytes", "777777"));
    }

    private void fillTransactions() throws Exception {
        create("txn", 2, Map.of("segment.ms", SEGMENT_MS, "retention.ms", "-1"));
        KafkaProducer<byte[], byte[]> plain = producer(Map.of());
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("transactional.id", "closed"))) {
            producer.initTransactions();
            for (int round = 0; round < 6; round++) {
                producer.beginTransaction();
                for (int i = 0; i < 10; i++) {
                    producer.send(record("txn", i % 2, round * 10 + i, false));
                    plain.send(record("txn", i % 2, round * 10 + i, false));
                }
                producer.sendOffsetsToTransaction(Map.of(new TopicPartition("codec-none", 0), new OffsetAndMetadata(round + 1L)),
                    new org.apache.kafka.clients.consumer.ConsumerGroupMetadata("txn-group"));
                producer.flush();
                if (round % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        plain.close();
        KafkaProducer<byte[], byte[]> open = producer(Map.of("transactional.id", "open", "transaction.timeout.ms", "900000"));
        open.initTransactions();
        open.beginTransaction();
        for (int i = 0; i < 6; i++) {
            open.send(record("txn", i % 2, 100 + i, false));
        }
        open.flush();
        kept.put("open", open);
    }

    private String endOpen(boolean commit) {
        KafkaProducer<byte[], byte[]> open = kept.remove("open");
        if (commit) {
            open.commitTransaction();
        } else {
            open.abortTransaction();
        }
        open.close();
        return commit ? "committed" : "aborted";
    }

    private String acls() throws Exception {
        AclBinding allow = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "codec-", PatternType.PREFIXED),
            new AccessControlEntry("User:anna", "10.0.0.1", AclOperation.READ, AclPermissionType.ALLOW));
        AclBinding deny = new AclBinding(new ResourcePattern(ResourceType.GROUP, "*", PatternType.LITERAL),
            new AccessControlEntry("User:bert", "*", AclOperation.DESCRIBE, AclPermissionType.DENY));
        admin.createAcls(List.of(allow, deny)).all().get();
        return "2 entries";
    }

    // The same clients, whatever broker is behind the address.

    /** Idempotent producers that live as long as this process go on; groups go on where they stopped. */
    private String goOn(int count) throws Exception {
        for (String codec : List.of("none", "lz4")) {
            KafkaProducer<byte[], byte[]> producer = kept.get(codec);
            if (producer == null) {
                producer = producer(Map.of("compression.type", codec));
                kept.put(codec, producer);
            }
            List<java.util.concurrent.Future<org.apache.kafka.clients.producer.RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                byte[] number = bytes(codec + " " + written++);
                sent.add(producer.send(new ProducerRecord<>("ids", i % 2, number, number)));
            }
            for (java.util.concurrent.Future<?> one : sent) {
                one.get();
            }
        }
        if (count > 5) {
            consumeSome("classic", "codec-none", 10, Map.of());
            consumeSome("static", "codec-gzip", 10, Map.of("group.instance.id", "one"));
        }
        return written + " written";
    }

    /** Reads `count` more records as a member of a group and commits; they have to follow what was committed before. */
    private void consumeSome(String group, String topic, int count, Map<String, String> more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "auto.offset.reset",
            "earliest", "enable.auto.commit", "false", "max.poll.records", "7"));
        if (!more.containsKey("group.protocol")) {
            settings.put("session.timeout.ms", "10000");
            settings.put("heartbeat.interval.ms", "500");
        }
        settings.putAll(more);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            long end = System.currentTimeMillis() + 40_000;
            int seen = 0;
            while (seen < count && System.currentTimeMillis() < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    String place = group + " " + topic + " " + record.partition();
                    long want = groupPositions.getOrDefault(place, 0L);
                    require(record.offset() == want, place + ": offset " + record.offset() + " came, not " + want);
                    groupPositions.put(place, want + 1);
                    seen++;
                }
            }
            require(seen >= count, group + " read " + seen + " of " + count);
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (TopicPartition partition : consumer.assignment()) {
                long position = groupPositions.getOrDefault(group + " " + topic + " " + partition.partition(), 0L);
                offsets.put(partition, new OffsetAndMetadata(position, java.util.Optional.of(0), "by " + group));
            }
            consumer.commitSync(offsets);
        }
    }

    // What a client sees.

    private String state(Path file) throws Exception {
        List<String> lines = new ArrayList<>();
        Map<String, TopicDescription> topics = new TreeMap<>(admin.describeTopics(
            admin.listTopics(new org.apache.kafka.clients.admin.ListTopicsOptions().listInternal(true)).names().get()).allTopicNames().get());
        for (TopicDescription topic : topics.values()) {
            lines.add("topic " + topic.name() + " id " + topic.topicId() + " partitions " + topic.partitions().size());
        }
        describeConfigs(topics.keySet(), lines);
        describeGroups(lines);
        admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().forEach((entity, values) ->
            lines.add("quota " + new TreeMap<>(named(entity)) + " " + new TreeMap<>(values)));
        admin.describeUserScramCredentials().all().get().forEach((user, info) -> lines.add("scram " + user + " " + info.credentialInfos()
            .stream().map(one -> one.mechanism() + ":" + one.iterations()).sorted().toList()));
        admin.describeFeatures().featureMetadata().get().finalizedFeatures().forEach((name, range) ->
            lines.add("feature " + name + " " + range.maxVersionLevel()));
        try {
            for (AclBinding acl : admin.describeAcls(AclBindingFilter.ANY).values().get()) {
                lines.add("acl " + acl);
            }
        } catch (ExecutionException disabled) {
            lines.add("acls none");
        }
        lines.add("cluster " + admin.describeCluster().clusterId().get());
        int records = read(topics.values(), lines);
        Files.write(file, new TreeSet<>(lines));
        return topics.size() + " topics, " + records + " records";
    }

    private void describeConfigs(Collection<String> topics, List<String> lines) throws Exception {
        List<ConfigResource> resources = new ArrayList<>(List.of(new ConfigResource(ConfigResource.Type.BROKER, ""),
            new ConfigResource(ConfigResource.Type.BROKER, "1")));
        topics.forEach(topic -> resources.add(new ConfigResource(ConfigResource.Type.TOPIC, topic)));
        admin.describeConfigs(resources).all().get().forEach((resource, config) -> {
            for (ConfigEntry entry : config.entries()) {
                Set<ConfigEntry.ConfigSource> own = Set.of(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG,
                    ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG, ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG);
                if (own.contains(entry.source())) {
                    lines.add("config " + resource.type() + " '" + resource.name() + "' " + entry.name() + "=" + entry.value()
                        + " " + entry.source());
                }
            }
        });
    }

    private void describeGroups(List<String> lines) throws Exception {
        admin.listGroups().all().get().stream()
            .filter(group -> group.type().map(Object::toString).orElse("").toLowerCase().matches("classic|consumer|"))
            .forEach(group -> groups.add(group.groupId()));
        for (String group : groups) {
            admin.listConsumerGroupOffsets(Map.of(group, new ListConsumerGroupOffsetsSpec())).all().get().get(group)
                .forEach((partition, offset) -> lines.add("offset " + group + " " + partition + " " + offset.offset() + " epoch "
                    + offset.leaderEpoch() + " '" + offset.metadata() + "'"));
        }
    }

    private int read(Collection<TopicDescription> topics, List<String> lines) throws Exception {
        List<TopicPartition> partitions = new ArrayList<>();
        Map<TopicPartition, OffsetSpec> newest = new HashMap<>();
        for (TopicDescription topic : topics) {
            for (int index = 0; index < topic.partitions().size(); index++) {
                partitions.add(new TopicPartition(topic.name(), index));
                if (!topic.isInternal()) {
                    newest.put(new TopicPartition(topic.name(), index), OffsetSpec.maxTimestamp());
                }
            }
        }
        admin.listOffsets(newest).all().get().forEach((one, info) ->
            lines.add("newest " + one + " offset " + info.offset() + " timestamp " + info.timestamp()));
        int count = 0;
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", "false", "auto.offset.reset", "earliest",
            "exclude.internal.topics", "false", "max.poll.records", "5000");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            for (TopicPartition one : partitions) {
                lines.add("range " + one + " " + starts.get(one) + ".." + ends.get(one));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long end = System.currentTimeMillis() + 60_000;
            Set<TopicPartition> left = new HashSet<>(partitions);
            while (!left.isEmpty()) {
                require(System.currentTimeMillis() < end, "these are not read to their end: " + left);
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    lines.add(line(record));
                    count++;
                }
                left.removeIf(one -> consumer.position(one) >= ends.get(one));
            }
        }
        return count;
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder text = new StringBuilder();
        text.append(String.format("record %s-%d %010d %s %d key %s value %s", record.topic(), record.partition(), record.offset(),
            record.timestampType(), record.timestamp(), shown(record.key()), shown(record.value())));
        for (Header header : record.headers()) {
            text.append(" [").append(header.key()).append("]=").append(shown(header.value()));
        }
        return text.toString();
    }

    // Small things.

    private KafkaProducer<byte[], byte[]> producer(Map<String, String> more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "linger.ms", "50", "batch.size", "2000",
            "reconnect.backoff.max.ms", "200", "max.block.ms", "60000"));
        settings.putAll(more);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private void create(String topic, int partitions, Map<String, String> configs) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        long end = System.currentTimeMillis() + 20_000;
        while (System.currentTimeMillis() < end) {
            try {
                admin.describeTopics(List.of(topic)).allTopicNames().get();
                return;
            } catch (ExecutionException notYet) {
                Thread.sleep(20);
            }
        }
        throw new IllegalStateException("topic " + topic + " does not appear");
    }

    private void alter(ConfigResource resource, Map<String, String> values) throws Exception {
        List<AlterConfigOp> changes = values.entrySet().stream().map(one ->
            new AlterConfigOp(new ConfigEntry(one.getKey(), one.getValue()), AlterConfigOp.OpType.SET)).toList();
        admin.incrementalAlterConfigs(Map.of(resource, (Collection<AlterConfigOp>) changes)).all().get();
    }

    private static ClientQuotaAlteration quota(Map<String, String> entity, String key, double value) {
        return new ClientQuotaAlteration(new ClientQuotaEntity(entity), List.of(new ClientQuotaAlteration.Op(key, value)));
    }

    private static Map<String, String> nullable(String kind) {
        Map<String, String> entity = new HashMap<>();
        entity.put(kind, null);
        return entity;
    }

    private static Map<String, String> named(ClientQuotaEntity entity) {
        Map<String, String> names = new HashMap<>();
        entity.entries().forEach((kind, name) -> names.put(kind, name == null ? "<default>" : name));
        return names;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String shown(byte[] bytes) {
        return bytes == null ? "null" : "'" + Base64.getEncoder().withoutPadding().encodeToString(bytes) + "'";
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }
}
