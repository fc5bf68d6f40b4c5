import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/** What older producers cannot do. */
final class ProduceNewest {
    private ProduceNewest() {
    }

    /** A batch over the limit is cut by the client and sent again. */
    @Board.Case static void tooLargeBatchIsSplit(World world) throws Exception {
        String topic = world.topic("split", 1, "max.message.bytes", "3000");
        try (KafkaProducer<String, String> producer = world.producer("batch.size", "100000", "linger.ms", "200")) {
            char[] part = new char[400];
            Arrays.fill(part, 'x');
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, "k", new String(part))));
            }
            for (int i = 0; i < 40; i++) {
                World.same("offset", (long) i, sent.get(i).get().offset());
            }
        }
    }
}
