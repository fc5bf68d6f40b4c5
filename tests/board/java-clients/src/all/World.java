import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What the cases share: an admin client, clients with quick settings, fresh topics and a few assertions. */
final class World {
    final String bootstrap;
    final AdminClient admin;
    private final String run = UUID.randomUUID().toString().substring(0, 8);

    World(String bootstrap) {
        this.bootstrap = bootstrap;
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("request.timeout.ms", "20000");
        this.admin = AdminClient.create(settings);
    }

    /** A name that no other case and no earlier run has. */
    String name(String stem) {
        return "board-" + stem + "-" + run;
    }

    /** A fresh topic; `configs` are key, value, key, value. */
    String topic(String stem, int partitions, String... configs) throws Exception {
        String name = name(stem);
        admin.createTopics(Collections.singleton(new NewTopic(name, partitions, (short) 1).configs(map(configs)))).all().get();
        // Kafka answers before its own metadata know the topic, and names the leader before the log is there. Until then
        // produce requests fail, and an idempotent producer with several in flight may be refused for good: a later
        // batch, let in as the first one of an unknown producer, makes its retried first batch out of order.
        await("leaders of " + name, () -> {
            try {
                return Api.describeTopic(admin, name).partitions().stream().allMatch(p -> p.leader() != null);
            } catch (ExecutionException notYet) {
                return false;
            }
        });
        try (KafkaConsumer<String, String> consumer = consumer(null)) {
            consumer.endOffsets(partitions(name));
        }
        return name;
    }

    static Map<String, String> map(String... pairs) {
        Map<String, String> map = new HashMap<>();
        for (int i = 0; i < pairs.length; i += 2) {
            map.put(pairs[i], pairs[i + 1]);
        }
        return map;
    }

    KafkaProducer<String, String> producer(String... settings) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        all.put("linger.ms", "5");
        all.putAll(map(settings));
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(String group, String... settings) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        if (group != null) {
            all.put("group.id", group);
        }
        all.put("enable.auto.commit", "false");
        all.put("auto.offset.reset", "earliest");
        all.put("session.timeout.ms", "6000");
        all.put("heartbeat.interval.ms", "300");
        all.put("metadata.max.age.ms", "1000");
        all.putAll(map(settings));
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    /** Sends `count` records "v0", "v1", … with keys "k0", "k1", …; returns their metadata in that order. */
    List<RecordMetadata> fill(String topic, int count, String... settings) throws Exception {
        try (KafkaProducer<String, String> producer = producer(settings)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, "k" + i, "v" + i)));
            }
            List<RecordMetadata> done = new ArrayList<>();
            for (Future<RecordMetadata> each : sent) {
                done.add(each.get());
            }
            return done;
        }
    }

    /** Polls until `count` records are there. */
    static List<ConsumerRecord<String, String>> take(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> got = new ArrayList<>();
        long end = System.currentTimeMillis() + 30_000;
        while (got.size() < count && System.currentTimeMillis() < end) {
            consumer.poll(Duration.ofMillis(100)).forEach(got::add);
        }
        same("number of records", count, got.size());
        return got;
    }

    /** All partitions of `topic` from the beginning, without a group. */
    List<ConsumerRecord<String, String>> read(String topic, int count, String... settings) throws Exception {
        try (KafkaConsumer<String, String> consumer = consumer(null, settings)) {
            consumer.assign(partitions(topic));
            return take(consumer, count);
        }
    }

    List<TopicPartition> partitions(String topic) throws Exception {
        List<TopicPartition> all = new ArrayList<>();
        Api.describeTopic(admin, topic).partitions().forEach(p -> all.add(new TopicPartition(topic, p.partition())));
        return all;
    }

    /** Are these exactly the records that `fill(topic, count)` sent? */
    static void whole(List<ConsumerRecord<String, String>> records, int count) {
        Set<Integer> seen = new TreeSet<>();
        for (ConsumerRecord<String, String> record : records) {
            same("key of " + record.value(), "k" + record.value().substring(1), record.key());
            seen.add(Integer.parseInt(record.value().substring(1)));
        }
        same("records", count, records.size());
        same("different records", count, seen.size());
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void same(String what, Object wanted, Object got) {
        if (!Objects.equals(wanted, got)) {
            throw new AssertionError(what + ": wanted " + wanted + ", got " + got);
        }
    }

    static void check(String what, boolean holds) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    /** The action must fail with exactly this class of error. */
    static void fails(Class<? extends Throwable> wanted, Callable<?> action) {
        Throwable got;
        try {
            Object value = action.call();
            got = null;
            throw new AssertionError("wanted " + wanted.getSimpleName() + ", got the answer " + value);
        } catch (ExecutionException reason) {
            got = reason.getCause();
        } catch (Exception reason) {
            got = reason;
        }
        if (got.getClass() != wanted) {
            throw new AssertionError("wanted " + wanted.getSimpleName() + ", got " + got, got);
        }
    }

    /** Waits until the condition holds; half a minute is a failure. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        long end = System.currentTimeMillis() + 30_000;
        while (!condition.call()) {
            if (System.currentTimeMillis() > end) {
                throw new AssertionError("waited in vain for " + what);
            }
            Thread.sleep(25);
        }
    }
}
