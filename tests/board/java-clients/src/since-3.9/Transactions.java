import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

/** Transactions. */
final class Transactions {
    private Transactions() {
    }

    private static List<String> values(World world, String topic, int count, String isolation) throws Exception {
        return world.read(topic, count, "isolation.level", isolation).stream().map(r -> r.value()).collect(Collectors.toList());
    }

    @Board.Case static void commitAndAbort(World world) throws Exception {
        String topic = world.topic("txn", 1);
        try (KafkaProducer<String, String> producer = world.producer("transactional.id", topic)) {
            producer.initTransactions();
            for (int i = 0; i < 4; i++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, "k", "v" + i));
                producer.flush();
                if (i % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        World.same("committed", java.util.Arrays.asList("v0", "v2"), values(world, topic, 2, "read_committed"));
        World.same("all", java.util.Arrays.asList("v0", "v1", "v2", "v3"), values(world, topic, 4, "read_uncommitted"));
    }

    @Board.Case static void offsetsInATransaction(World world) throws Exception {
        String topic = world.topic("txn-offsets", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> producer = world.producer("transactional.id", topic)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Collections.singletonMap(partition, new OffsetAndMetadata(9)), new ConsumerGroupMetadata(topic));
            producer.commitTransaction();
        }
        World.await("the offset", () -> {
            OffsetAndMetadata got = world.admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(partition);
            return got != null && got.offset() == 9;
        });
    }

    @Board.Case static void secondProducerFencesTheFirst(World world) throws Exception {
        String topic = world.topic("txn-fence", 1);
        try (KafkaProducer<String, String> first = world.producer("transactional.id", topic);
             KafkaProducer<String, String> second = world.producer("transactional.id", topic)) {
            first.initTransactions();
            first.beginTransaction();
            first.send(new ProducerRecord<>(topic, "k", "lost")).get();
            second.initTransactions();
            try {
                first.send(new ProducerRecord<>(topic, "k", "too late")).get();
                first.commitTransaction();
                throw new AssertionError("the first one could commit");
            } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
                first.close(java.time.Duration.ZERO);
            } catch (java.util.concurrent.ExecutionException reason) {
                World.check("fenced: " + reason.getCause(), reason.getCause() instanceof ProducerFencedException || reason.getCause() instanceof InvalidProducerEpochException);
            }
        }
    }

    @Board.Case static void listAndDescribe(World world) throws Exception {
        String topic = world.topic("txn-list", 1);
        try (KafkaProducer<String, String> producer = world.producer("transactional.id", topic)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "k", "v")).get();
            World.check("listed", world.admin.listTransactions().all().get().stream().anyMatch(t -> t.transactionalId().equals(topic)));
            TransactionDescription described = world.admin.describeTransactions(Collections.singleton(topic)).description(topic).get();
            World.same("state", TransactionState.ONGOING, described.state());
            World.same("partitions", Collections.singleton(new TopicPartition(topic, 0)), described.topicPartitions());
            producer.commitTransaction();
        }
        World.fails(TransactionalIdNotFoundException.class, () -> world.admin.describeTransactions(Collections.singleton("none-" + topic)).all().get());
    }

    @Board.Case static void fenceProducers(World world) throws Exception {
        String topic = world.topic("txn-fenced", 1);
        world.admin.fenceProducers(Collections.singleton(topic)).all().get();
    }
}
