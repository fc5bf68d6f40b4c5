import java.util.Collection;
import java.util.Collections;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeReplicaLogDirsResult.ReplicaLogDirInfo;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;

/** The admin client's requests about the cluster and its log directories. */
final class Cluster {
    private Cluster() {
    }

    @Board.Case static void describeCluster(World world) throws Exception {
        DescribeClusterResult cluster = world.admin.describeCluster();
        Collection<Node> nodes = cluster.nodes().get();
        World.same("nodes", 1, nodes.size());
        World.same("length of the cluster id", 22, cluster.clusterId().get().length());
        World.same("controller", nodes.iterator().next(), cluster.controller().get());
        World.check("address", world.bootstrap.endsWith(":" + nodes.iterator().next().port()));
    }

    @Board.Case static void describeLogDirs(World world) throws Exception {
        String topic = world.topic("log-dirs", 1);
        world.fill(topic, 10);
        int node = world.admin.describeCluster().nodes().get().iterator().next().id();
        World.check("bytes of the replica", Api.replicaSizes(world.admin, node).get(new TopicPartition(topic, 0)) > 0);
    }

    @Board.Case static void describeReplicaLogDirs(World world) throws Exception {
        String topic = world.topic("replica-dirs", 1);
        int node = world.admin.describeCluster().nodes().get().iterator().next().id();
        TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, node);
        World.await("a directory", () -> world.admin.describeReplicaLogDirs(Collections.singleton(replica)).all().get().get(replica).getCurrentReplicaLogDir() != null);
        ReplicaLogDirInfo info = world.admin.describeReplicaLogDirs(Collections.singleton(replica)).all().get().get(replica);
        World.same("no other directory", null, info.getFutureReplicaLogDir());
        World.same("lag", 0L, info.getCurrentReplicaOffsetLag());
    }

    @Board.Case static void metrics(World world) throws Exception {
        world.admin.describeCluster().nodes().get();
        World.check("metrics of the client", world.admin.metrics().size() > 10);
    }
}
