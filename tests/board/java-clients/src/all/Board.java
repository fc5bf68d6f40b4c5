import java.io.PrintWriter;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs every case of the classes that were compiled for this version of kafka-clients, four at a time, each under a time
 * limit, and appends one line "name, status, seconds, note" to a file. Knows nothing about Kafka.
 *
 * <p>java Board BOOTSTRAP VERSION FILE [NAME...]
 */
public final class Board {
    /** A static method that takes a World and throws when something is not as it should be. */
    @Retention(RetentionPolicy.RUNTIME)
    @Target(ElementType.METHOD)
    @interface Case {
        int seconds() default 60;
    }

    private static final String[] CLASSES = {
        "Produce", "Consume", "Groups", "Topics", "Configs", "GroupAdmin", "Cluster", "AlterConfigsOldWay",
        "GroupsNewer", "AdminNewer", "ClusterNewer", "Telemetry", "Transactions", "ConsumerProtocol", "AdminNewest", "ProduceNewest",
        "ShareGroups",
    };
    private static final int AT_A_TIME = 4;

    private Board() {
    }

    public static void main(String[] args) throws Exception {
        World world = new World(args[0]);
        List<String> only = Arrays.asList(args).subList(3, args.length);
        ExecutorService lanes = Executors.newFixedThreadPool(AT_A_TIME);
        ExecutorService threads = Executors.newCachedThreadPool(r -> {
            Thread thread = new Thread(r);
            thread.setDaemon(true);
            return thread;
        });
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(Paths.get(args[2])), true)) {
            List<Future<?>> running = new ArrayList<>();
            for (Method method : cases()) {
                String name = method.getDeclaringClass().getSimpleName() + "." + method.getName();
                if (only.isEmpty() || only.stream().anyMatch(name::startsWith)) {
                    running.add(lanes.submit(() -> run(world, method, args[1] + "/" + name, threads, out)));
                }
            }
            for (Future<?> each : running) {
                each.get();
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static List<Method> cases() {
        List<Method> found = new ArrayList<>();
        for (String name : CLASSES) {
            try {
                Method[] methods = Class.forName(name).getDeclaredMethods();
                Arrays.sort(methods, Comparator.comparing(Method::getName));
                for (Method method : methods) {
                    if (method.isAnnotationPresent(Case.class)) {
                        method.setAccessible(true);
                        found.add(method);
                    }
                }
            } catch (ClassNotFoundException older) {
                // This version of the client lacks what the class tests.
                continue;
            }
        }
        return found;
    }

    private static void run(World world, Method method, String name, ExecutorService threads, PrintWriter out) {
        long began = System.nanoTime();
        String note = "";
        Future<?> done = threads.submit(() -> method.invoke(null, world));
        int limit = method.getAnnotation(Case.class).seconds();
        try {
            done.get(limit, TimeUnit.SECONDS);
        } catch (TimeoutException reason) {
            done.cancel(true);
            note = "not done within " + limit + " s";
        } catch (ExecutionException reason) {
            Throwable cause = reason.getCause() instanceof InvocationTargetException ? reason.getCause().getCause() : reason.getCause();
            note = described(cause);
        } catch (InterruptedException reason) {
            note = "interrupted";
        }
        String status = note.isEmpty() ? "pass" : "fail";
        synchronized (out) {
            out.printf("%s\t%s\t%.2f\t%s%n", name, status, (System.nanoTime() - began) / 1e9, note.replaceAll("\\s+", " "));
        }
        System.out.println(name + " " + status);
    }

    private static String described(Throwable cause) {
        StringBuilder text = new StringBuilder(String.valueOf(cause));
        for (StackTraceElement frame : cause.getStackTrace()) {
            if (frame.getFileName() != null && Board.class.getClassLoader().getResource(frame.getClassName() + ".class") != null) {
                text.append(" at ").append(frame.getFileName()).append(':').append(frame.getLineNumber());
            }
        }
        return text.toString();
    }
}
