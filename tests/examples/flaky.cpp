// flaky.cpp - a worker between two stages that calls a service which fails now and then. Each record ends in one way:
//   forwarded   the service has answered: its answer is in the next stage, and the record settled here, in one step
//   returned    the service has failed: the record comes again after a delay, each time twice as long, so that a
//               service which is away for some seconds makes no dead letters; past max_retries it is one
//   released    the worker was told to stop before it came to it: another one gets it, and nothing counts as failed
// usage: flaky SEGMENT FROM TO, until SIGTERM, on which it ends the record at hand and says what it did
#include <conveyor/conveyor.hpp>

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

// Upper case, but every fourth call fails.
bool service(std::string_view text, std::string &answer)
{
    static unsigned calls;
    if (++calls % 4 == 0)
        return false;
    answer.assign(text);
    std::transform(answer.begin(), answer.end(), answer.begin(), [](unsigned char c) { return std::toupper(c); });
    return true;
}

struct worker {
    conveyor::buffer buffer;
    std::uint32_t from, to;
    unsigned forwarded = 0, returned = 0;

    // The answer goes on as soon as the next stage has room for it.
    bool send_on(conveyor::batch<1> &one, const std::string &answer)
    {
        const cvb_record result = conveyor::record(answer, one[0].source, one[0].pipeline);
        while (!one.empty() && !stopped) {
            if (one.forward(to, &result).refused)
                buffer.wait_credits(to, CVB_NO_SOURCE);
        }
        return one.empty();
    }

    void work_on(conveyor::batch<1> one)
    {
        std::string answer;
        if (!service(conveyor::text(one[0]), answer)) {
            one.return_after(std::min(10u << std::min(one[0].retry_count, 8u), 2000u));
            returned++;
        } else if (send_on(one, answer)) {
            forwarded++;
        } else {
            one.release();
        }
    }

    void run()
    {
        while (!stopped)
            if (auto one = buffer.get<1>(from); !one.empty())
                work_on(std::move(one));
            else
                buffer.wait_records(from);
    }
};

void run(const char *segment, const char *from, const char *to)
{
    std::signal(SIGTERM, on_sigterm);
    worker w{conveyor::buffer::attach(segment), 0, 0};
    w.from = w.buffer.stage(from);
    w.to = w.buffer.stage(to);
    sleeper = w.buffer.get();
    try {
        w.run();
    } catch (const conveyor::error &e) {
        if (e.code() != CVB_EINTERRUPTED)
            throw;
    }
    sleeper = nullptr;
    std::printf("forwarded %u records, returned %u; stopped: what was not tried is back in '%s'\n", w.forwarded,
                w.returned, from);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    try {
        run(argv[1], argv[2], argv[3]);
        return 0;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "flaky: %s\n", e.what());
        return 1;
    }
}
