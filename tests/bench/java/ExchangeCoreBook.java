import exchange.core2.collections.objpool.ObjectsPool;
import exchange.core2.core.common.CoreSymbolSpecification;
import exchange.core2.core.common.OrderAction;
import exchange.core2.core.common.OrderType;
import exchange.core2.core.common.SymbolType;
import exchange.core2.core.common.cmd.CommandResultCode;
import exchange.core2.core.common.cmd.OrderCommand;
import exchange.core2.core.common.cmd.OrderCommandType;
import exchange.core2.core.common.config.LoggingConfiguration;
import exchange.core2.core.orderbook.IOrderBook;
import exchange.core2.core.orderbook.OrderBookDirectImpl;
import exchange.core2.core.orderbook.OrderBookEventsHelper;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;

/** The order book of exchange-core on our commands: java ExchangeCoreBook FILE WARM_UP_SECONDS. */
public final class ExchangeCoreBook {
    private static final int PLACE = 1, CANCEL = 2, REPLACE = 3, MARKET = 2, IOC = 2, EXTENDED = 128;
    private static final long FAR = 1L << 40;
    private static final int MEASURED_PASSES = 5;

    /** Translates before the clock starts: one array element per command, and a book's number. */
    private final OrderCommand[] commands;
    private final int[] instruments;
    private final int staged;
    private final int books;

    private ExchangeCoreBook(ByteBuffer file) {
        int from = (int) file.getLong(0), words = (int) file.getLong(8), used = 0, before = 0;
        books = (int) file.getLong(16) + 1;
        OrderCommand[] all = new OrderCommand[words / 8];
        int[] slots = new int[words / 8];
        HashMap<Long, long[]> open = new HashMap<>();
        for (int at = 0; at < words; ) {
            long header = file.getLong((4 + at) * 8);
            int kind = (int) (header & 0xFF);
            if (kind <= REPLACE) {
                if (at < from) before++;
                slots[used] = (int) (header >> 48);
                all[used++] = translate(file, 4 + at, header, kind, open);
            }
            at += kind >= EXTENDED ? 16 : 8;
        }
        commands = java.util.Arrays.copyOf(all, used);
        instruments = java.util.Arrays.copyOf(slots, used);
        staged = before;
    }

    private static OrderCommand translate(ByteBuffer f, int at, long header, int kind, HashMap<Long, long[]> open) {
        OrderCommand c = new OrderCommand();
        c.orderId = f.getLong((at + 2) * 8);
        c.uid = f.getLong((at + 1) * 8);
        c.symbol = (int) (header >> 48);
        c.price = f.getLong((at + 3) * 8);
        c.size = f.getLong((at + 4) * 8);
        c.timestamp = at;
        boolean sells = (header >> 8 & 0xFF) == 1;
        if (kind == PLACE) {
            c.command = OrderCommandType.PLACE_ORDER;
            c.action = sells ? OrderAction.ASK : OrderAction.BID;
            c.orderType = (header >> 24 & 0xFF) == IOC ? OrderType.IOC : OrderType.GTC;
            if ((header >> 16 & 0xFF) == MARKET) c.price = sells ? 1 : FAR;
            c.reserveBidPrice = FAR;
            open.put(c.orderId, new long[] {c.price, c.size});
        } else if (kind == CANCEL) {
            c.command = OrderCommandType.CANCEL_ORDER;
        } else {  // it knows a move to another price and a reduction, each alone
            long[] terms = open.get(c.orderId);
            boolean reduces = terms != null && terms[0] == c.price && c.size < terms[1];
            c.command = reduces ? OrderCommandType.REDUCE_ORDER : OrderCommandType.MOVE_ORDER;
            if (terms != null) {
                long lots = c.size;
                if (reduces) c.size = terms[1] - lots;
                terms[0] = c.price;
                terms[1] = lots;
            }
        }
        return c;
    }

    private double pass() {
        ObjectsPool pool = pool();
        IOrderBook[] all = new IOrderBook[books];
        for (int n = 0; n < books; n++) {
            all[n] = new OrderBookDirectImpl(
                new CoreSymbolSpecification(n, SymbolType.CURRENCY_EXCHANGE_PAIR, 1, 2, 1, 1, 0, 0, 0, 0),
                pool,
                OrderBookEventsHelper.NON_POOLED_EVENTS_HELPER,
                LoggingConfiguration.DEFAULT);
        }
        OrderCommand[] given = new OrderCommand[commands.length];
        for (int n = 0; n < given.length; n++) given[n] = copy(commands[n]);
        for (int n = 0; n < staged; n++) IOrderBook.processCommand(all[instruments[n]], given[n]);
        System.gc();  // so that what this pass prepared is not collected while it is measured
        long started = System.nanoTime();
        for (int n = staged; n < given.length; n++) IOrderBook.processCommand(all[instruments[n]], given[n]);
        return (double) (System.nanoTime() - started) / (given.length - staged);
    }

    /** As large as exchange-core's own matching engine makes it, so that nothing is allocated for a book. */
    private static ObjectsPool pool() {
        HashMap<Integer, Integer> sizes = new HashMap<>();
        sizes.put(ObjectsPool.DIRECT_ORDER, 1024 * 1024);
        sizes.put(ObjectsPool.DIRECT_BUCKET, 1024 * 64);
        sizes.put(ObjectsPool.ART_NODE_4, 1024 * 32);
        sizes.put(ObjectsPool.ART_NODE_16, 1024 * 16);
        sizes.put(ObjectsPool.ART_NODE_48, 1024 * 8);
        sizes.put(ObjectsPool.ART_NODE_256, 1024 * 4);
        return new ObjectsPool(sizes);
    }

    private static OrderCommand copy(OrderCommand from) {
        OrderCommand c = new OrderCommand();  // the book writes into a command
        c.command = from.command;
        c.orderId = from.orderId;
        c.uid = from.uid;
        c.symbol = from.symbol;
        c.price = from.price;
        c.size = from.size;
        c.timestamp = from.timestamp;
        c.action = from.action;
        c.orderType = from.orderType;
        c.reserveBidPrice = from.reserveBidPrice;
        c.resultCode = CommandResultCode.VALID_FOR_MATCHING_ENGINE;  // what its risk engine would say
        return c;
    }

    public static void main(String[] arguments) throws Exception {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(Path.of(arguments[0]))).order(ByteOrder.LITTLE_ENDIAN);
        ExchangeCoreBook bench = new ExchangeCoreBook(file);
        long warm = System.nanoTime() + (long) (Double.parseDouble(arguments[1]) * 1e9);
        while (System.nanoTime() < warm) bench.pass();  // until the JVM has compiled all that it will
        double[] measured = new double[MEASURED_PASSES];
        for (int n = 0; n < MEASURED_PASSES; n++) measured[n] = bench.pass();
        java.util.Arrays.sort(measured);
        System.out.printf("%.3f%n", measured[MEASURED_PASSES / 2]);
    }
}
