// flaky.cpp - the worker at the end of a pipeline that calls a service which fails now and then. Each record ends so:
//   done        the service has done its work, and the record is acked
//   dropped     the service did it before, for a worker that was killed before its ack: acked without a call. The key
//               is source and position; the service keeps it with what it did, in a file here (ledger.hpp)
//   returned    the service has failed: the record comes again after a delay, each time twice as long, so that a
//               service which is away for some seconds makes no dead letters; past max_retries it is one
//   released    the worker was told to stop before it came to it: another one gets it, and nothing counts as failed
// usage: flaky SEGMENT STAGE FILE, until SIGTERM, on which it ends the record at hand and says what it did
#include "ledger.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <csignal>
#include <cstdio>

namespace
{

std::atomic<cvb_handle *> sleeper{nullptr};
std::atomic<bool> stopped{false};

void on_sigterm(int)
{
    stopped = true;
    if (cvb_handle *handle = sleeper)
        cvb_wake(handle);
}

struct service_error : std::runtime_error {
    service_error() : std::runtime_error("the service did not do its work") {}
};

struct worker {
    conveyor::buffer buffer;
    ledger served;
    std::uint32_t stage;
    unsigned calls = 0, done = 0, dropped = 0, returned = 0;

    worker(const char *segment, const char *stage_name, const char *path)
        : buffer(conveyor::buffer::attach(segment)), served(path), stage(buffer.stage(stage_name))
    {
    }

    // Upper case, but every fourth call fails.
    void service(const cvb_lease &lease)
    {
        if (++calls % 4 == 0)
            throw service_error();
        std::string answer(conveyor::text(lease));
        std::transform(answer.begin(), answer.end(), answer.begin(), [](unsigned char c) { return std::toupper(c); });
        served.write(buffer, lease, answer);
        served.flush();
    }

    void work_on(conveyor::batch<1> one)
    {
        if (served.knows(buffer, one[0])) {
            one.ack();
            dropped++;
            return;
        }
        try {
            service(one[0]);
            one.ack();
            done++;
        } catch (const service_error &) {
            one.return_after(std::min(10u << std::min(one[0].retry_count, 8u), 2000u));
            returned++;
        }
    }
};

// Returns how many records went back untried.
std::size_t run(worker &w)
{
    for (;;) {
        auto batch = w.buffer.get_wait<32>(w.stage);
        while (!batch.empty() && !stopped)
            w.work_on(batch.pop_front());
        if (stopped) {
            const std::size_t untried = batch.size();
            batch.release();
            return untried;
        }
    }
}

std::size_t run_until_sigterm(worker &w)
{
    sleeper = w.buffer.get();
    try {
        return run(w);
    } catch (const conveyor::error &e) {
        if (e.code() == CVB_EINTERRUPTED)
            return 0;
        throw;
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    std::signal(SIGTERM, on_sigterm);
    try {
        worker w(argv[1], argv[2], argv[3]);
        const std::size_t released = run_until_sigterm(w);
        sleeper = nullptr;
        std::printf(
            "done %u records, dropped %u that were done before, returned %u that failed, released %zu untried\n",
            w.done, w.dropped, w.returned, released);
        return 0;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "flaky: %s\n", e.what());
        return 1;
    }
}
