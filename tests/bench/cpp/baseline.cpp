// The yardstick: price-time matching by hand in C++, alone (bare) or with the core's work on these
// workloads (risk): ids remembered, accounts looked up, limits, collar, reservations, positions,
// self-trades flagged, the chain of an account's orders and their ages, 64-byte events. Whatever else
// an account or an instrument may have (states, switches, throttles, fees, tick tables, stops …) is
// one word that has to be 0, as in the core. Its events are the core's, word for word.
//
//   baseline bare|risk FILE RATE    one round; prints: ns_per_command checksum, then latencies in ns
//
// FILE holds 64-bit words: measured_from, words, instruments, commands, then the command records of
// shared/domain/records.py. RATE is commands a second of the open loop, 0: no open loop.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

using Word = int64_t;
enum Kind { PLACE = 1, CANCEL, REPLACE, DEPOSIT_CASH = 16, DEPOSIT_SHARES = 20, ADD_ACCOUNT = 26,
            ADD_INSTRUMENT = 128 };
enum Event { ACCEPTED = 1, REJECTED, TRADE, RESTED, CANCELLED, REPLACED };
constexpr Word RESTING = Word(1) << 32, KEPT = Word(3) << 32, WAITING = Word(4) << 32, SELF_TRADE = Word(16) << 32, NONE = Word(1) << 60;
constexpr Word BAND = 8192, MARKET = 2, GTC = 1, MAX_AMOUNT = (Word(1) << 62) - 1;

struct Order { Word id, price, leaves; uint32_t previous, next, older, newer; uint32_t position; uint32_t side; Word accepted, arrived; };
struct Level { Word head, tail, lots, orders; };
struct Account { Word total, reserved, held, watch, owner, open, max_lots, max_value, max_position, max_open, currency, id, spare[4]; };
struct Position { Word total, lots[2]; uint32_t newest, open; uint32_t account, instrument; Word spare[3]; };
struct Instrument { Word id, watch, tick, max_lots, safe_value, origin[2], last, high, low, currency, collar; };

static int lowest(uint64_t word) { return __builtin_ctzll(word); }

struct Ids {  // open addressing; forget() closes the gap, and only the bare book uses it
    struct Row { Word id; uint64_t sequence : 42, slot : 22; };
    std::vector<Row> rows; Word mask;
    explicit Ids(Word count) { Word size = 16; while (size < count * 2) size *= 2; rows.resize(size); mask = size - 1; }
    Word home(Word id) const {  // four consecutive ids share a cache line
        return (Word((uint64_t(id >> 2) * 0x9E3779B97F4A7C15ull) >> 20) << 2 | (id & 3)) & mask;
    }
    Word find(Word id) const {
        Word row = home(id);
        while (rows[row].id && rows[row].id != id) row = (row + 1) & mask;
        return row;
    }
    void forget(Word row) {
        for (Word next = row;;) {
            next = (next + 1) & mask;
            if (!rows[next].id) break;
            if (((next - home(rows[next].id)) & mask) >= ((next - row) & mask)) { rows[row] = rows[next]; row = next; }
        }
        rows[row].id = 0;
    }
};

template <bool RISK> struct Book {
    std::vector<Order> orders; std::vector<uint32_t> free; std::vector<Level> levels;
    std::vector<uint64_t> bits, summary; std::vector<Word> best, end;
    std::vector<Account> accounts{1}; std::vector<Instrument> instruments{1}; std::vector<Position> positions;
    Ids ids, account_rows{4096}; std::vector<Word> events; Word used = 0, width, clock = 0;

    Book(Word count, Word instruments_) : orders(1), best(2 * instruments_ + 2, NONE), end(2 * instruments_ + 2), ids(count),
        events(1 << 20), width(instruments_ + 1) { orders.reserve(1 << 17); free.reserve(1 << 17); }

    void emit(Word header, Word id, Word account, Word price, Word lots, Word leaves, Word contra, Word level) {
        Word *e = &events[used];
        e[0] = header; e[1] = id; e[2] = account; e[3] = price; e[4] = lots; e[5] = leaves; e[6] = contra; e[7] = level;
        used += 8;
    }
    void refuse(const Word *c, Word code) {
        emit(REJECTED | (c[0] & (0xFF00 | Word(0x7FFF) << 48)) | code << 16, c[2], c[1], c[3], c[4], 0, 0, 0);
    }
    void mark(Word side, Word level) {
        bits[level >> 6] |= 1ull << (level & 63); summary[level >> 12] |= 1ull << ((level >> 6) & 63);
        best[side] = std::min(best[side], level);
    }
    void clear(Word side, Word level) {
        uint64_t left = bits[level >> 6] &= ~(1ull << (level & 63));
        if (!left) summary[level >> 12] &= ~(1ull << ((level >> 6) & 63));
        if (best[side] != level) return;
        if (left) { best[side] = (level & ~63) + lowest(left); return; }
        best[side] = NONE;
        for (Word group = level >> 12; group < end[side] >> 12; group++)
            if (summary[group]) { Word word = group * 64 + lowest(summary[group]); best[side] = word * 64 + lowest(bits[word]); return; }
    }
    static Word level_of(const Instrument &i, Word side, Word price) { return i.origin[side] + (2 * side - 1) * price; }
    bool crosses(Word slot, Word side, Word limit) { return best[slot * 2 + 1 - side] <= level_of(instruments[slot], 1 - side, limit); }

    Word enter(uint32_t at, Word side, Word number) {
        if (uint64_t(end[side] - 1 - number) >= BAND) abort();  // beside the ladder: no workload goes there
        Order &o = orders[at]; Level &l = levels[number];
        o.previous = l.tail; o.next = 0;
        if (l.tail) orders[l.tail].next = at; else { l.head = at; mark(side, number); }
        l.tail = at; l.orders++;
        return l.lots += o.leaves;
    }
    Word leave(uint32_t at, Word side, Word number) {
        Order &o = orders[at]; Level &l = levels[number];
        if (o.previous) orders[o.previous].next = o.next; else l.head = o.next;
        if (o.next) orders[o.next].previous = o.previous; else l.tail = o.previous;
        l.orders--; l.lots -= o.leaves;
        if (!l.head) clear(side, number);
        return l.lots;
    }
    uint32_t open(Word id, Word price, Word lots, Word position, Word side) {
        uint32_t at;
        if (free.empty()) { at = orders.size(); orders.emplace_back(); } else { at = free.back(); free.pop_back(); }
        Order &o = orders[at]; o.id = id; o.price = price; o.leaves = lots; o.position = position; o.side = side;
        if (RISK) {
            o.accepted = o.arrived = ++clock;
            Position &p = positions[position];
            o.older = p.newest; o.newer = 0;
            if (p.newest) orders[p.newest].newer = at;
            p.newest = at; p.open++; accounts[p.account].open++;
        }
        return at;
    }
    void drop(uint32_t at, Word row) {
        Order &o = orders[at];
        if (RISK) {
            Position &p = positions[o.position];
            if (o.older) orders[o.older].newer = o.newer;
            if (o.newer) orders[o.newer].older = o.older; else p.newest = o.older;
            p.open--; accounts[p.account].open--; ids.rows[row].slot = 0;
        } else ids.forget(row);
        free.push_back(at);
    }
    void reserve(Position &p, Word side, Word lots, Word value) {
        p.lots[side] += lots;
        if (side == 0) accounts[p.account].reserved += value;
    }
    Word check(Position &p, const Instrument &i, Word side, Word price, Word lots, Word open_price, Word open_lots, bool rests) {
        if (!RISK) return 0;
        Account &a = accounts[p.account];
        if (a.watch | i.watch) abort();  // no workload has anything special
        Word more = lots - open_lots;
        if (a.currency != i.currency) return 308;
        if (lots > i.max_lots) return 402;
        if (price >> 31 ? price > i.safe_value / lots : price * lots > i.safe_value) return 403;
        if (price == 0) return 404;
        Word value = price * lots * i.tick, after = p.lots[side] + more + (side ? -p.total : p.total);
        if (lots > a.max_lots) return 501;
        if (value > a.max_value) return 502;
        if (more > 0 && after > a.max_position) return 503;
        if (rests && a.open >= a.max_open) return 504;
        if (side) return after > 0 && more > 0 ? 506 : 0;
        Word more_value = value - open_price * open_lots * i.tick;
        return more_value > 0 && more_value > a.total - a.reserved - a.held ? 505 : 0;
    }
    Word trade(Word header, Word id, Word position, Word slot, Word side, Word limit, Word lots) {
        Instrument &i = instruments[slot];
        Word book = slot * 2 + 1 - side, worst = level_of(i, 1 - side, limit), price = 0;
        Word owner = RISK ? accounts[positions[position].account].owner : 0;
        while (lots > 0 && best[book] <= worst) {
            Word number = best[book]; Level &l = levels[number];
            uint32_t at = l.head; Order &o = orders[at];
            Word traded = std::min(lots, o.leaves), contra = o.id; price = o.price;
            lots -= traded; o.leaves -= traded; l.lots -= traded;
            Word flags = 0;
            if (RISK) {
                if (accounts[positions[o.position].account].owner == owner) flags = SELF_TRADE;
                Position &buyer = positions[side ? o.position : position], &seller = positions[side ? position : o.position];
                Word value = price * traded * i.tick;
                buyer.lots[0] -= traded; buyer.total += traded; seller.lots[1] -= traded; seller.total -= traded;
                accounts[buyer.account].reserved -= side ? value : limit * traded * i.tick;
                accounts[buyer.account].total -= value; accounts[seller.account].total += value;
            }
            emit(TRADE | header | flags, id, contra >> 32 << 32 | id >> 32, price, traded, o.leaves << 32 | lots, contra, l.lots);
            if (o.leaves == 0) {
                l.head = o.next; l.orders--;
                if (o.next) orders[o.next].previous = 0; else { l.tail = 0; clear(book, number); }
                drop(at, ids.find(contra));
            }
        }
        if (price) i.last = i.high = i.low = price;
        return lots;
    }
    void place(const Word *c) {
        Word header = c[0], id = c[2], price = c[3], lots = c[4], side = header >> 8 & 0xFF;
        Word row = ids.find(id);
        if (ids.rows[row].id) { refuse(c, 101); return; }
        Word slot = header >> 48, account = RISK ? account_rows.rows[account_rows.find(c[1])].slot : 0;
        if (RISK && (!account || id >> 32 != c[1])) { refuse(c, 301); return; }
        Instrument &i = instruments[slot];
        Word position = RISK ? account * width + slot : 0, limit = price;
        bool rests = (header >> 16 & 0xFF) != MARKET && (header >> 24 & 0xFF) == GTC;
        if (price == 0) {
            Word reach = i.last * i.collar / 10000;
            limit = side ? std::max(i.last - reach, Word(1)) : i.last + reach;
        }
        Position &p = positions[position];
        if (Word code = check(p, i, side, limit, lots, 0, 0, rests)) { refuse(c, code); return; }
        if (RISK) reserve(p, side, lots, limit * lots * i.tick);
        Word event = side << 8 | header >> 48 << 48;
        auto rest = [&](Word kind, Word left) {
            uint32_t at = open(id, price, left, position, side);
            ids.rows[row] = {id, uint64_t(c[6]), at};
            emit(kind | event, id, c[1], price, left, left, 0, enter(at, slot * 2 + side, level_of(i, side, price)));
        };
        if (rests && !crosses(slot, side, limit)) { rest(ACCEPTED | RESTING, lots); return; }
        emit(ACCEPTED | event, id, c[1], price, lots, lots, 0, 0);
        Word left = trade(event, id, position, slot, side, limit, lots);
        if (!RISK) row = ids.find(id);  // rows may have moved
        if (left && rests) { rest(RESTED, left); return; }
        if (RISK) ids.rows[row] = {id, uint64_t(c[6]), 0};
        if (!left) return;
        if (RISK) reserve(p, side, -left, -left * limit * i.tick);
        emit(CANCELLED | WAITING | event | Word(price ? 2 : 4) << 16, id, c[1], limit, left, 0, 0, 0);
    }
    void change(const Word *c, bool cancel) {
        Word id = c[2], price = c[3], lots = c[4], row = ids.find(id), slot = c[0] >> 48;
        uint32_t at = ids.rows[row].id ? ids.rows[row].slot : 0;
        if (!at || id >> 32 != c[1]) { refuse(c, 303); return; }
        Order &o = orders[at]; Instrument &i = instruments[slot]; Position &p = positions[o.position];
        Word side = o.side, event = side << 8 | c[0] >> 48 << 48, old_price = o.price, old_lots = o.leaves;
        if (cancel) {
            Word total = leave(at, slot * 2 + side, level_of(i, side, old_price));
            if (RISK) reserve(p, side, -old_lots, -old_lots * old_price * i.tick);
            drop(at, row);
            emit(CANCELLED | event | 1 << 16, id, c[1], old_price, old_lots, 0, 0, total);
            return;
        }
        if (Word code = check(p, i, side, price, lots, old_price, old_lots, false)) { refuse(c, code); return; }
        if (RISK) reserve(p, side, lots - old_lots, (price * lots - old_price * old_lots) * i.tick);
        Word number = level_of(i, side, price);
        if (price == old_price && lots <= old_lots) {
            Word total = levels[number].lots -= old_lots - lots;
            o.leaves = lots;
            emit(REPLACED | KEPT | event, id, c[1], price, lots, total, old_price, total);
            return;
        }
        Word old_total = leave(at, slot * 2 + side, level_of(i, side, old_price));
        o.price = price; o.leaves = lots;
        if (!crosses(slot, side, price)) {
            if (RISK) o.arrived = ++clock;
            Word total = enter(at, slot * 2 + side, number);
            emit(REPLACED | RESTING | event, id, c[1], price, lots, price == old_price ? total : old_total, old_price, total);
            return;
        }
        emit(REPLACED | event, id, c[1], price, lots, old_total, old_price, 0);
        Word left = trade(event, id, o.position, slot, side, price, lots);
        if (!left) { drop(at, ids.find(id)); return; }
        o.leaves = left;
        if (RISK) o.arrived = ++clock;
        emit(RESTED | event, id, c[1], price, left, left, 0, enter(at, slot * 2 + side, number));
    }
    void set_stage(const Word *c) {
        Word slot = c[0] >> 48, account = account_rows.rows[account_rows.find(c[1])].slot;
        switch (c[0] & 0xFF) {
        case ADD_INSTRUMENT: {
            Word ticks = BAND, base = levels.size(), low = c[3] - ticks / 2, high = low + ticks - 1;  // all prices of the workloads
            instruments.push_back({slot, 0, c[4], c[10], MAX_AMOUNT / c[4], {base + high, base + ticks - low}, c[3], c[3], c[3], c[11], c[12]});
            levels.resize(base + 2 * ticks); bits.resize(levels.size() >> 6); summary.resize(levels.size() >> 12);
            end[slot * 2] = base + ticks; end[slot * 2 + 1] = base + 2 * ticks;
            break; }
        case ADD_ACCOUNT:
            account_rows.rows[account_rows.find(c[1])] = {c[1], uint64_t(c[6]), accounts.size()};
            for (Word n = 0; n < width; n++) { positions.resize((accounts.size() + 1) * width); auto &p = positions[accounts.size() * width + n]; p.account = accounts.size(); p.instrument = n; }
            accounts.push_back({0, 0, 0, 0, c[1] | Word(1) << 32, 0, MAX_AMOUNT, MAX_AMOUNT, MAX_AMOUNT, MAX_AMOUNT, c[3], c[1], {}});
            break;
        case DEPOSIT_CASH: accounts[account].total += c[4]; break;
        case DEPOSIT_SHARES: positions[account * width + slot].total += c[4]; break;
        }
    }
    void apply(const Word *c) {
        switch (c[0] & 0xFF) {
        case REPLACE: change(c, false); break;
        case PLACE: place(c); break;
        case CANCEL: change(c, true); break;
        default: set_stage(c);
        }
    }
};

static Word now() { return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <bool RISK> int run(const std::vector<Word> &file, Word rate) {
    const Word *c = file.data() + 4, from = file[0], words = file[1], count = file[3];
    auto stage = [&] {
        auto book = std::make_unique<Book<RISK>>(words / 8, file[2]);
        for (Word at = 0; at < from; at += (c[at] & 0xFF) >= 128 ? 16 : 8) { book->apply(c + at); book->used = 0; }
        return book;
    };
    auto book = stage();
    uint64_t checksum = 0;
    Word elapsed = 0;
    for (Word at = from; at < words;) {
        Word until = std::min(at + 8192, words), started = now();
        for (; at < until; at += 8) book->apply(c + at);
        elapsed += now() - started;
        for (Word n = 0; n < book->used; n++) checksum = checksum * 31 + uint64_t(book->events[n]);
        book->used = 0;
    }
    printf("%.3f %llu\n", double(elapsed) / count, (unsigned long long)(checksum & 0x7FFFFFFFFFFFFFFFull));
    if (rate) {
        book = stage();
        Word gap = 1000000000 / rate, start = now() + 1000000, n = 0;
        for (Word at = from; at < words && n < 50000; at += 8, n++) {
            Word due = start + n * gap;
            while (now() < due) {}
            book->apply(c + at); book->used = 0;
            printf("%lld\n", (long long)(now() - due));
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    FILE *f = fopen(argv[2], "rb");
    Word head[4];
    if (!f || fread(head, 8, 4, f) != 4) return 1;
    std::vector<Word> file(head, head + 4);
    file.resize(4 + head[1]);
    if (fread(file.data() + 4, 8, head[1], f) != size_t(head[1])) return 1;
    return strcmp(argv[1], "risk") ? run<false>(file, atoll(argv[3])) : run<true>(file, atoll(argv[3]));
}
