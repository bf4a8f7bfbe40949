cat >T.java <<'END'
import java.util.*;
import java.util.stream.*;
public class T {
  public static void main(String[] a) {
    Map<String, List<Integer>> m = new TreeMap<>();
    for (int i = 0; i < 200000; i++) m.computeIfAbsent("k" + i % 3000, k -> new ArrayList<>()).add(i);
    System.out.println(m.values().parallelStream().mapToLong(l -> l.stream().mapToLong(Integer::longValue).sum()).sum());
    System.out.println(m.keySet().stream().limit(5).collect(Collectors.joining(",")));
  }
}
END
javac T.java && java -Xmx256m T
