// plus.cpp - conveyor.hpp: what each of its objects leaves behind.
#include <conveyor/conveyor.hpp>

#include <cstdio>
#include <cstdlib>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                               \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

namespace
{

const std::string name = "conveyor-test-" + std::to_string(getpid()) + "-plus";

struct removed {
    ~removed() { cvb_unlink(name.c_str()); }
};

cvb_counts counts(conveyor::buffer &buffer, std::uint32_t stage)
{
    cvb_counts c;
    CHECK(!cvb_stage_counts(buffer.get(), stage, &c));
    return c;
}

template <typename F> int code_of(F f)
{
    try {
        f();
    } catch (const conveyor::error &e) {
        CHECK(std::string(e.what()) == cvb_error_text(e.code()));
        return e.code();
    }
    return 0;
}

struct rig {
    conveyor::buffer buffer = conveyor::buffer::attach(name);
    std::uint32_t stage = buffer.stage("filter"), sink = buffer.stage("sink"), source = buffer.source("a"),
                  pipeline = buffer.pipeline("test");

    conveyor::pushed fill(std::size_t count)
    {
        std::vector<cvb_record> records(count, conveyor::record("payload", source, pipeline));
        return buffer.put(stage, records.data(), count);
    }
    std::uint64_t drain()
    {
        std::uint64_t n = 0;
        for (auto b = buffer.get<32>(stage); !b.empty(); b = buffer.get<32>(stage)) {
            n += b.size();
            b.ack();
        }
        return n;
    }
};

void errors()
{
    CHECK(code_of([] { conveyor::buffer::attach(name + "-none"); }) == CVB_ENOENT);
    CHECK(code_of([] { conveyor::buffer::create(name); }) == CVB_EEXIST);
    rig r;
    const cvb_record unknown = conveyor::record("x", 999, 999);
    CHECK(code_of([&] { r.buffer.put(r.stage, unknown); }) == CVB_EUNKNOWN);
    const auto tried = r.buffer.try_put(r.stage, &unknown, 1);
    CHECK(!tried && tried.error() == CVB_EUNKNOWN);
    const conveyor::pushed cut = r.fill(60);
    CHECK(cut.count == 40 && cut.refused == CVB_ESOURCE_FULL);
    CHECK(r.fill(1).count == 0 && r.fill(1).refused == CVB_ESOURCE_FULL);
    CHECK(!r.buffer.wait_credits(r.stage, r.source, 1ms));
    CHECK(r.buffer.backpressure(r.stage, r.source).signal == CVB_SIGNAL_PAUSE);
    CHECK(r.drain() == 40);
    CHECK(r.buffer.wait_credits(r.stage, r.source));
    CHECK(r.buffer.limit_of(CVB_NO_STAGE, r.source) == 40);
    r.buffer.set_limit(7, CVB_NO_STAGE, r.source);
    CHECK(r.buffer.limit_of(CVB_NO_STAGE, r.source) == 7);
    const conveyor::pushed lower = r.fill(20);
    CHECK(lower.count == 7 && lower.refused == CVB_ESOURCE_FULL);
    CHECK(r.drain() == 7);
    CHECK(code_of([&] { r.buffer.set_limit(41, CVB_NO_STAGE, r.source); }) == CVB_EINVAL);
    r.buffer.set_limit(40, CVB_NO_STAGE, r.source);
    r.buffer.set_limit(11);
    CHECK(r.buffer.limit_of() == 11);
    CHECK(r.fill(20).count == 11 && r.drain() == 11);
    r.buffer.set_limit(100);
}

void by_hand()
{
    rig r;
    std::uint64_t cursor = 0;
    r.fill(1);
    r.buffer.signal(CVB_NO_STAGE, r.source, CVB_SIGNAL_PAUSE, 0, "away");
    CHECK(std::string(r.buffer.signal_of(CVB_NO_STAGE, r.source).reason) == "away");
    CHECK(!r.buffer.wait_credits(r.stage, r.source, 1ms));
    r.buffer.signal(CVB_NO_STAGE, r.source, CVB_SIGNAL_NONE);
    CHECK(r.buffer.wait_credits(r.stage, r.source));
    r.buffer.hold(r.stage);
    CHECK(r.buffer.hold_of(r.stage).signal == CVB_SIGNAL_PAUSE);
    CHECK(!r.buffer.wait_records(&r.stage, 1, 1ms));
    r.buffer.hold(r.stage, false);
    CHECK(r.drain() == 1);
    std::uint32_t last = CVB_EVENT_NONE;
    while (const auto event = r.buffer.next_event(cursor))
        last = event->kind;
    CHECK(last == CVB_EVENT_HOLD);
    CHECK(code_of([&] { r.buffer.hold(999); }) == CVB_EUNKNOWN);
}

void positions()
{
    rig r;
    const auto source = r.buffer.source("positions");
    CHECK(r.buffer.source_name(source) == "positions" && r.buffer.stage_name(r.stage) == "filter" &&
          r.buffer.pipeline_name(r.pipeline) == "test");
    CHECK(code_of([&] { r.buffer.source_name(999); }) == CVB_EUNKNOWN);
    CHECK(r.buffer.open_source(source) == 0);
    CHECK(r.buffer.put(r.stage, conveyor::record("x", source, r.pipeline, 7)).count == 1);
    CHECK(code_of([&] { r.buffer.put(r.stage, conveyor::record("x", source, r.pipeline, 7)); }) == CVB_EPOSITION);
    CHECK(code_of([&] { conveyor::buffer::attach(name).open_source(source); }) == CVB_EBUSY);
    CHECK(r.buffer.progress(source).accepted == 7 && r.buffer.progress(source).live == 1);
    CHECK(!r.buffer.wait_settled(source, 7, 1ms));
    auto b = r.buffer.get<2>(r.stage);
    CHECK(b.size() == 1 && b[0].position == 7);
    b.ack();
    CHECK(r.buffer.wait_settled(source, 7));
    CHECK(r.buffer.progress(source).settled == 7);
    r.buffer.close_source(source);
    CHECK(conveyor::buffer::attach(name).open_source(source) == 7);
}

void names()
{
    rig r;
    const auto first = r.buffer.source("file-1");
    CHECK(r.buffer.put(r.stage, conveyor::record("x", first, r.pipeline)).count == 1);
    CHECK(code_of([&] { r.buffer.retire_source(first); }) == CVB_EBUSY);
    CHECK(r.drain() == 1);
    r.buffer.retire_source(first);
    CHECK(code_of([&] { r.buffer.retire_source(first); }) == CVB_EUNKNOWN);
    CHECK(code_of([&] { r.buffer.put(r.stage, conveyor::record("x", first, r.pipeline)); }) == CVB_EUNKNOWN);
    const auto second = r.buffer.source("file-2");
    CHECK(second != first && cvb_source_place(second) == cvb_source_place(first));
    CHECK(r.buffer.put(r.stage, conveyor::record("x", second, r.pipeline)).count == 1);
    auto b = r.buffer.get<2>(r.stage);
    CHECK(b.size() == 1 && b[0].source == second);
    b.ack();
}

void batches()
{
    rig r;
    r.fill(10);
    {
        auto b = r.buffer.get<4>(r.stage);
        CHECK(b.size() == 4 && conveyor::text(b[0]) == "payload");
#if __cplusplus >= 202002L
        CHECK(conveyor::bytes(b[0]).size() == 7 && b.leases().size() == 4);
#endif
        conveyor::batch<4> moved = std::move(b);
        CHECK(b.empty() && moved.size() == 4);
        moved.ack();
    }
    CHECK(counts(r.buffer, r.stage).acked >= 4);
    const auto before = counts(r.buffer, r.stage);
    try {
        auto b = r.buffer.get<4>(r.stage);
        throw 1;
    } catch (int) {
    }
    CHECK(counts(r.buffer, r.stage).returned == before.returned + 4);
    auto b = r.buffer.get<2>(r.stage);
    b.release();
    CHECK(counts(r.buffer, r.stage).released == before.released + 2);
    auto split = r.buffer.get<2>(r.stage);
    {
        auto first = split.pop_front();
        CHECK(first.size() == 1 && split.size() == 1 && conveyor::text(first[0]) == "payload");
        first.release();
    }
    split.pop_front(); // dropped, so it failed
    CHECK(split.empty() && split.pop_front().empty());
    CHECK(counts(r.buffer, r.stage).released == before.released + 3);
    CHECK(counts(r.buffer, r.stage).returned == before.returned + 5);
    auto later = r.buffer.get<1>(r.stage);
    later.return_after(2);
    CHECK(later.empty() && counts(r.buffer, r.stage).returned == before.returned + 6);
    for (std::uint64_t drained = 0; drained < 6; drained += r.drain())
        r.buffer.wait_records(r.stage);
}

void forwards()
{
    rig r;
    r.fill(8);
    auto b = r.buffer.get<8>(r.stage);
    std::vector<cvb_record> results(8, conveyor::record("result", r.source, r.pipeline));
    CHECK(b.forward(r.sink, results.data()).count == 8 && b.empty());
    CHECK(b.forward(r.sink).count == 0);
    auto got = r.buffer.get<8>(r.sink);
    CHECK(got.size() == 8 && conveyor::text(got[7]) == "result");
    CHECK(got.try_forward(r.stage).value().count == 8);
    CHECK(r.drain() == 8);
}

void reservations()
{
    rig r;
    cvb_record shape{};
    shape.length = 10;
    shape.source = r.source;
    shape.pipeline = r.pipeline;
    {
        auto slots = r.buffer.reserve<4>(r.stage, shape);
        CHECK(slots.size() == 4);
    } // canceled
    CHECK(cvb_total_buffered(r.buffer.get()) == 0);
    auto slots = r.buffer.reserve<4>(r.stage, shape, 2);
    CHECK(slots.size() == 2 && !slots.refused());
    for (cvb_slot &slot : slots) {
        static_cast<char *>(slot.payload)[0] = 'x';
        slot.length = 1;
    }
    auto moved = std::move(slots);
    moved.publish();
    CHECK(r.drain() == 2);
}

void waits()
{
    rig r;
    CHECK(!r.buffer.wait_records(r.stage, 1ms));
    std::thread waker([&] { r.buffer.wake(); });
    CHECK(code_of([&] { r.buffer.wait_records(r.stage); }) == CVB_EINTERRUPTED);
    waker.join();
    r.fill(1);
    const std::uint32_t stages[] = {r.sink, r.stage};
    CHECK(r.buffer.wait_records(stages, 2).value() == 1);
    CHECK(r.drain() == 1);
    CHECK(r.buffer.room(r.stage, r.source) == 40);
    const std::vector<cvb_record> many(60, conveyor::record("payload", r.source, r.pipeline));
    const conveyor::pushed cut = r.buffer.put_wait(r.stage, many.data(), many.size(), 1ms);
    CHECK(cut.count == 40 && cut.refused == CVB_ETIMEDOUT);
    CHECK(!r.buffer.wait_room(r.stage, r.source, 1ms) && !r.buffer.room(r.stage, r.source));
    auto sent = r.buffer.get_wait<4>(r.stage, 1s);
    CHECK(sent.size() == 4 && sent.forward_wait(r.sink).count == 4 && sent.empty());
    CHECK(r.drain() == 36 && r.buffer.get_wait<4>(r.stage, 1ms).empty());
    r.buffer.get<4>(r.sink).ack();

    conveyor::notifier told = conveyor::notifier::create(name);
    cvb_watch watch{};
    watch.what = CVB_WATCH_RECORDS;
    watch.stage = r.stage;
    const int id = told.watch(watch);
    r.fill(1);
    pollfd p{told.fd(), POLLIN, 0};
    CHECK(poll(&p, 1, 60000) == 1 && told.fired(&watch, 1) == 1 && watch.id == id && r.drain() == 1);
    told.arm(id);
    told.unwatch(id);
    CHECK(code_of([&] { told.arm(id); }) == CVB_EINVAL);

    conveyor::buffer moved = std::move(r.buffer);
    CHECK(moved && !r.buffer);
    r.buffer = std::move(moved);
}

void headers()
{
    rig r;
    const cvb_record plain = conveyor::record("one", r.source, r.pipeline),
                     marked = conveyor::with_header(plain, "mark");
    CHECK(r.buffer.put(r.stage, marked).count == 1 && r.buffer.put(r.stage, plain).count == 1);
    auto b = r.buffer.get<8>(r.stage);
    for (std::size_t i = 0; i < b.size(); i++)
        CHECK(conveyor::header(b[i]) == (i ? "" : "mark"));
    b.ack();
    CHECK(code_of([&] { r.buffer.put(r.stage, conveyor::with_header(plain, "more than 16 bytes")); }) == CVB_ETOOLONG);
    const std::uint32_t lengths[] = {3, 0, 2}, header_lengths[] = {0, 1, 2};
    cvb_packed packed{};
    packed.bytes = "oneHtwHH";
    packed.size = 8;
    packed.lengths = lengths;
    packed.header_lengths = header_lengths;
    packed.source = r.source;
    CHECK(r.buffer.put_packed(r.stage, packed, 3).count == 3);
    std::string all;
    for (auto c = r.buffer.get<8>(r.stage); !c.empty(); c = r.buffer.get<8>(r.stage)) {
        for (const cvb_lease &lease : c)
            all += std::string(conveyor::text(lease)) + "+" + std::string(conveyor::header(lease)) + " ";
        c.ack();
    }
    CHECK(all == "one+ +H tw+HH ");
    packed.size = 7;
    CHECK(r.buffer.try_put_packed(r.stage, packed, 3).value().count == 2);
    CHECK(r.drain() == 2);
}

} // namespace

int main()
{
    removed at_end;
    cvb_settings settings = conveyor::buffer::defaults();
    settings.max_total_records = settings.max_per_stage = 100;
    settings.max_per_source = 40;
    settings.header_size = 16;
    conveyor::buffer::create(name, &settings);
    errors();
    by_hand();
    positions();
    names();
    batches();
    forwards();
    reservations();
    waits();
    headers();
    struct cvb_audit audit;
    conveyor::buffer buffer = conveyor::buffer::attach(name);
    CHECK(!cvb_audit(buffer.get(), &audit) && audit.exact && !audit.problems && audit.free == audit.capacity);
    return 0;
}
