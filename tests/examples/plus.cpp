// plus.cpp - from C++17: a handle that leaves by itself, leases that go back unless they were acked, and errors as
// exceptions.
// usage: plus SEGMENT STAGE WORD...   puts the words, takes them again, prints them
#include <conveyor/conveyor.hpp>

#include <cstdio>

namespace
{

void run(const char *segment, const char *stage_name, char **words, int count)
{
    conveyor::buffer buffer = conveyor::buffer::attach(segment);
    const auto stage = buffer.stage(stage_name), source = buffer.source("plus"), pipeline = buffer.pipeline("example");
    for (int i = 0; i < count; i++)
        while (buffer.put(stage, conveyor::record(words[i], source, pipeline)).refused)
            buffer.wait_credits(stage, source);
    for (auto batch = buffer.get<32>(stage); !batch.empty(); batch = buffer.get<32>(stage)) {
        for (const cvb_lease &lease : batch)
            std::printf("%.*s\n", static_cast<int>(lease.length), conveyor::text(lease).data());
        batch.ack();
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    try {
        run(argv[1], argv[2], argv + 3, argc - 3);
        return 0;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "plus: %s\n", e.what());
        return 1;
    }
}
