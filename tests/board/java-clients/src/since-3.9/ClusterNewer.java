import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.FinalizedVersionRange;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.errors.BrokerIdNotRegisteredException;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidUpdateVersionException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.ResourceNotFoundException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

/** The cluster with what came after 2.1: quorum, features, elections, reassignments, quotas, users. */
final class ClusterNewer {
    private ClusterNewer() {
    }

    private static int node(World world) throws Exception {
        return world.admin.describeCluster().nodes().get().iterator().next().id();
    }

    @Board.Case static void describeMetadataQuorum(World world) throws Exception {
        QuorumInfo quorum = world.admin.describeMetadataQuorum().quorumInfo().get();
        World.same("leader", node(world), quorum.leaderId());
        World.check("epoch", quorum.leaderEpoch() >= 1);
        World.check("high watermark", quorum.highWatermark() > 0);
        World.same("voters", 1, quorum.voters().size());
        World.same("voter", node(world), quorum.voters().get(0).replicaId());
        World.check("log end", quorum.voters().get(0).logEndOffset() >= quorum.highWatermark());
        World.same("observers", 0, quorum.observers().size());
        World.check("endpoints of the node", !quorum.nodes().get(node(world)).endpoints().isEmpty());
    }

    @Board.Case static void describeFeatures(World world) throws Exception {
        FeatureMetadata features = world.admin.describeFeatures().featureMetadata().get();
        World.check("metadata.version is known", features.supportedFeatures().containsKey("metadata.version"));
        FinalizedVersionRange version = features.finalizedFeatures().get("metadata.version");
        World.check("and finalized", version != null && version.maxVersionLevel() >= 20);
        World.check("with an epoch", features.finalizedFeaturesEpoch().isPresent());
    }

    @Board.Case static void updateFeatures(World world) throws Exception {
        short now = world.admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("metadata.version").maxVersionLevel();
        world.admin.updateFeatures(Collections.singletonMap("metadata.version", new FeatureUpdate(now, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all().get();
        World.fails(InvalidUpdateVersionException.class, () -> world.admin.updateFeatures(Collections.singletonMap("metadata.version",
            new FeatureUpdate((short) 200, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions().validateOnly(true)).all().get());
        World.fails(InvalidUpdateVersionException.class, () -> world.admin.updateFeatures(Collections.singletonMap("no.such.feature",
            new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all().get());
    }

    @Board.Case static void electLeaders(World world) throws Exception {
        String topic = world.topic("elect", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        for (ElectionType type : ElectionType.values()) {
            Optional<Throwable> result = world.admin.electLeaders(type, Collections.singleton(partition)).partitions().get().get(partition);
            World.same("nothing to elect", ElectionNotNeededException.class, result.get().getClass());
            TopicPartition unknown = new TopicPartition(world.name("nothing"), 0);
            World.same("unknown", UnknownTopicOrPartitionException.class,
                world.admin.electLeaders(type, Collections.singleton(unknown)).partitions().get().get(unknown).get().getClass());
            World.same("all of them", Collections.emptyMap(), world.admin.electLeaders(type, null).partitions().get());
        }
    }

    @Board.Case static void reassignments(World world) throws Exception {
        String topic = world.topic("reassign", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        int node = node(world);
        World.same("none", Collections.emptyMap(), world.admin.listPartitionReassignments(Collections.singleton(partition)).reassignments().get());
        world.admin.alterPartitionReassignments(Collections.singletonMap(partition, Optional.of(new NewPartitionReassignment(Collections.singletonList(node))))).all().get();
        World.same("none", Collections.emptyMap(), world.admin.listPartitionReassignments().reassignments().get());
        World.fails(NoReassignmentInProgressException.class, () -> world.admin.alterPartitionReassignments(Collections.singletonMap(partition, Optional.empty())).all().get());
        World.fails(InvalidReplicaAssignmentException.class, () -> world.admin.alterPartitionReassignments(Collections.singletonMap(partition,
            Optional.of(new NewPartitionReassignment(Arrays.asList(node, node + 50))))).all().get());
        World.fails(UnknownTopicOrPartitionException.class, () -> world.admin.alterPartitionReassignments(Collections.singletonMap(new TopicPartition(topic, 8),
            Optional.of(new NewPartitionReassignment(Collections.singletonList(node))))).all().get());
    }

    @Board.Case static void quotas(World world) throws Exception {
        String user = world.name("user");
        Map<String, String> names = new HashMap<>();
        names.put(ClientQuotaEntity.USER, user);
        names.put(ClientQuotaEntity.CLIENT_ID, "client");
        ClientQuotaEntity entity = new ClientQuotaEntity(names);
        world.admin.alterClientQuotas(Collections.singleton(new ClientQuotaAlteration(entity, Arrays.asList(
            new ClientQuotaAlteration.Op("producer_byte_rate", 1e9), new ClientQuotaAlteration.Op("consumer_byte_rate", 2e9))))).all().get();
        ClientQuotaFilter filter = ClientQuotaFilter.containsOnly(Arrays.asList(
            ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, user), ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.CLIENT_ID, "client")));
        Map<String, Double> wanted = new HashMap<>();
        wanted.put("producer_byte_rate", 1e9);
        wanted.put("consumer_byte_rate", 2e9);
        World.await("the quotas", () -> wanted.equals(world.admin.describeClientQuotas(filter).entities().get().get(entity)));
        World.check("found by a part", world.admin.describeClientQuotas(ClientQuotaFilter.contains(Collections.singleton(
            ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, user)))).entities().get().containsKey(entity));
        world.admin.alterClientQuotas(Collections.singleton(new ClientQuotaAlteration(entity, Arrays.asList(
            new ClientQuotaAlteration.Op("producer_byte_rate", null), new ClientQuotaAlteration.Op("consumer_byte_rate", null))))).all().get();
        World.await("no quotas", () -> world.admin.describeClientQuotas(filter).entities().get().isEmpty());
        World.fails(org.apache.kafka.common.errors.InvalidRequestException.class, () -> world.admin.alterClientQuotas(Collections.singleton(new ClientQuotaAlteration(entity,
            Collections.singleton(new ClientQuotaAlteration.Op("no_such_quota", 1.0))))).all().get());
    }

    /** A producer over its quota is told to wait and does. */
    @Board.Case static void quotaThrottles(World world) throws Exception {
        String topic = world.topic("throttled", 1);
        String client = world.name("throttled-client");
        ClientQuotaEntity entity = new ClientQuotaEntity(Collections.singletonMap(ClientQuotaEntity.CLIENT_ID, client));
        world.admin.alterClientQuotas(Collections.singleton(new ClientQuotaAlteration(entity, Collections.singleton(new ClientQuotaAlteration.Op("producer_byte_rate", 2000.0))))).all().get();
        try (org.apache.kafka.clients.producer.KafkaProducer<String, String> producer = world.producer("client.id", client, "linger.ms", "0")) {
            char[] text = new char[20_000];
            Arrays.fill(text, 'x');
            World.await("a throttle time", () -> {
                producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(topic, new String(text))).get();
                return producer.metrics().entrySet().stream().filter(each -> each.getKey().name().equals("produce-throttle-time-max"))
                    .anyMatch(each -> ((Number) each.getValue().metricValue()).doubleValue() > 0);
            });
        }
    }

    @Board.Case static void scramCredentials(World world) throws Exception {
        String user = world.name("scram");
        World.fails(ResourceNotFoundException.class, () -> world.admin.describeUserScramCredentials(Collections.singletonList(user)).description(user).get());
        world.admin.alterUserScramCredentials(Collections.singletonList(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
        World.await("the credential", () -> world.admin.describeUserScramCredentials().all().get().containsKey(user));
        ScramCredentialInfo info = world.admin.describeUserScramCredentials(Collections.singletonList(user)).description(user).get().credentialInfos().get(0);
        World.same("mechanism", ScramMechanism.SCRAM_SHA_256, info.mechanism());
        World.same("iterations", 4096, info.iterations());
        world.admin.alterUserScramCredentials(Collections.singletonList(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all().get();
        World.await("no credential", () -> !world.admin.describeUserScramCredentials().all().get().containsKey(user));
        World.fails(ResourceNotFoundException.class, () -> world.admin.alterUserScramCredentials(Collections.singletonList(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all().get());
    }

    @Board.Case static void unregisterBroker(World world) throws Exception {
        World.fails(BrokerIdNotRegisteredException.class, () -> world.admin.unregisterBroker(4711).all().get());
    }

    @Board.Case static void logDirsWithSizes(World world) throws Exception {
        int node = node(world);
        for (LogDirDescription dir : world.admin.describeLogDirs(Collections.singleton(node)).allDescriptions().get().get(node).values()) {
            World.check("bytes of the volume", dir.totalBytes().getAsLong() > 0);
            World.check("free bytes", dir.usableBytes().getAsLong() > 0);
        }
    }

    @Board.Case static void alterReplicaLogDirs(World world) throws Exception {
        String topic = world.topic("move", 1);
        int node = node(world);
        TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, node);
        String here = world.admin.describeReplicaLogDirs(Collections.singleton(replica)).all().get().get(replica).getCurrentReplicaLogDir();
        world.admin.alterReplicaLogDirs(Collections.singletonMap(replica, here)).all().get();
        World.fails(LogDirNotFoundException.class, () -> world.admin.alterReplicaLogDirs(Collections.singletonMap(replica, "/no/such/directory")).all().get());
    }
}
