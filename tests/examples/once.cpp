// once.cpp - a sink that writes each record once, although a record that was written may come again: a sink that is
// killed between the write and the ack has it in its file, and the buffer delivers it once more. The file is its memory
// (ledger.hpp): each line is SOURCE, POSITION and the payload, and when it starts it reads which are there.
// usage: once SEGMENT STAGE FILE, until SIGTERM or SIGINT; says how many were there already. One at a time a file.
#include "ledger.hpp"

#include <csignal>
#include <cstdio>

using namespace std::chrono_literals;

namespace
{

volatile std::sig_atomic_t stop;

void on_signal(int) { stop = 1; }

void run(const char *segment, const char *stage_name, const char *path)
{
    conveyor::buffer buffer = conveyor::buffer::attach(segment);
    const auto stage = buffer.stage(stage_name);
    ledger ledger(path);
    unsigned long written = 0, doubles = 0;
    while (!stop) {
        auto batch = buffer.get_wait<32>(stage, 100ms); // how late a signal may be noticed
        for (const cvb_lease &lease : batch) {
            if (ledger.knows(buffer, lease)) {
                doubles++;
            } else {
                ledger.write(buffer, lease, conveyor::text(lease));
                written++;
            }
        }
        ledger.flush();
        batch.ack(); // only now that it is written
    }
    std::printf("wrote %lu records, left out %lu that were there already\n", written, doubles);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    std::signal(SIGTERM, on_signal);
    std::signal(SIGINT, on_signal);
    try {
        run(argv[1], argv[2], argv[3]);
        return 0;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "once: %s\n", e.what());
        return 1;
    }
}
