import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** kafka-dump-log on the broker's own files. */
final class Dump {
    private Dump() {
    }

    private static Path dataDirectory(Toolbox tools) throws Exception {
        int node = tools.nodeId();
        return Path.of(tools.admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).keySet().iterator().next());
    }

    private static List<String> files(Path folder, String suffix) throws Exception {
        try (Stream<Path> all = Files.list(folder)) {
            return all.map(Path::toString).filter(p -> p.endsWith(suffix)).sorted().collect(Collectors.toList());
        }
    }

    @Cases.Case static void segmentsAndIndexes(Toolbox tools) throws Exception {
        String topic = tools.name("dump");
        tools.tool("TopicCommand", "--create", "--topic", topic, "--partitions", "1", "--config", "segment.bytes=1048576", "--config", "index.interval.bytes=1000").ok();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(Map.of("bootstrap.servers", (Object) tools.bootstrap, "compression.type", "lz4", "batch.size", "4000"), new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < 3000; i++) {
                producer.send(new ProducerRecord<>(topic, 0, "k" + i, "v" + i * 7919 % 10007 + "-" + Math.random() + Math.random() + Math.random() + Math.random() + Math.random()));
            }
        }
        Path folder = dataDirectory(tools).resolve(topic + "-0");
        long records = 0;
        for (String log : files(folder, ".log")) {
            Toolbox.Done done = tools.bare("", "DumpLogSegments", "--deep-iteration", "--print-data-log", "--files", log).ok().says("Log starting offset: ").saysNot("invalid");
            done.line("baseOffset: \\d+ lastOffset: \\d+ count: \\d+ baseSequence: \\d+ lastSequence: \\d+ producerId: \\d+ producerEpoch: 0 partitionLeaderEpoch: 0 isTransactional: false isControl: false .* compresscodec: lz4 crc: \\d+ isvalid: true");
            records += done.lines().stream().filter(l -> l.startsWith("| offset: ")).count();
        }
        Toolbox.same("records", 3000L, records);
        for (String suffix : new String[] {".index", ".timeindex"}) {
            for (String index : files(folder, suffix)) {
                tools.bare("", "DumpLogSegments", "--files", index).ok().saysNot("Mismatches").saysNot("ound ");
            }
        }
        for (String snapshot : files(folder, ".snapshot")) {
            tools.bare("", "DumpLogSegments", "--files", snapshot).ok().line("producerId: \\d+ producerEpoch: 0 .*");
        }
    }

    @Cases.Case static void committedOffsets(Toolbox tools) throws Exception {
        String topic = tools.topic("dump-offsets", 1, 5);
        tools.tool("consumer.ConsoleConsumer", "--topic", topic, "--group", topic, "--from-beginning", "--max-messages", "5").ok();
        StringBuilder all = new StringBuilder();
        try (Stream<Path> folders = Files.list(dataDirectory(tools))) {
            for (Path folder : folders.filter(p -> p.getFileName().toString().startsWith("__consumer_offsets-")).collect(Collectors.toList())) {
                for (String log : files(folder, ".log")) {
                    if (Files.size(Path.of(log)) > 0) {
                        all.append(tools.bare("", "DumpLogSegments", "--offsets-decoder", "--files", log).ok().out);
                    }
                }
            }
        }
        Toolbox.same("the group's offset is there", true, all.toString().contains("\"group\":\"" + topic + "\",\"topic\":\"" + topic + "\",\"partition\":0"));
        Toolbox.same("and nothing that cannot be read", false, all.toString().contains("could not be decoded"));
    }

    @Cases.Case static void metadata(Toolbox tools) throws Exception {
        String topic = tools.topic("dump-metadata", 2, 0);
        StringBuilder all = new StringBuilder();
        for (String log : files(dataDirectory(tools).resolve("__cluster_metadata-0"), ".log")) {
            all.append(tools.bare("", "DumpLogSegments", "--cluster-metadata-decoder", "--skip-record-metadata", "--files", log).ok().out);
        }
        String text = all.toString();
        Toolbox.same("the topic's record", true, text.contains("\"type\":\"TOPIC_RECORD\",\"version\":0,\"data\":{\"name\":\"" + topic + "\""));
        Toolbox.same("the broker's record", true, text.contains("\"type\":\"REGISTER_BROKER_RECORD\""));
        Toolbox.same("nothing that cannot be read", false, text.contains("Error"));
    }
}
