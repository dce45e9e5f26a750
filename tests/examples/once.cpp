// once.cpp - a sink that writes each record once, although a record that was written may come again: a sink that is
// killed between the write and the ack has it in its file, and the buffer delivers it once more. The key is source and
// position, which stay with a record wherever it goes. Its file is its memory: each line is SOURCE, POSITION and the
// payload, with tabs between, and when it starts it reads which are there. (A database would have a unique key.)
// usage: once SEGMENT STAGE FILE, until SIGTERM; says how many were there already. One at a time a file.
#include <conveyor/conveyor.hpp>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

namespace
{

volatile std::sig_atomic_t stopped;

void on_sigterm(int) { stopped = 1; }

using key = std::pair<std::string, std::uint64_t>;

// Reads what is in the file, and cuts off a last line that a kill has left unfinished.
std::set<key> remember(const char *path)
{
    std::set<key> seen;
    std::ifstream file(path, std::ios::binary);
    std::uintmax_t end = 0;
    for (std::string line; std::getline(file, line) && !file.eof(); end += line.size() + 1) {
        const std::size_t tab = line.find('\t');
        if (tab == std::string::npos)
            throw std::runtime_error("not a file of this sink");
        seen.emplace(line.substr(0, tab), std::stoull(line.substr(tab + 1)));
    }
    if (file.is_open())
        std::filesystem::resize_file(path, end);
    return seen;
}

struct sink {
    conveyor::buffer buffer;
    std::set<key> seen;
    std::ofstream file;
    unsigned long written = 0, doubles = 0;

    // A record without a position has no key: it is always written.
    void write_new(const cvb_lease &lease)
    {
        char source[CVB_NAME_MAX + 1];
        conveyor::check(cvb_source_name(buffer.get(), lease.source, source));
        if (lease.position && !seen.emplace(source, lease.position).second) {
            doubles++;
            return;
        }
        file << source << '\t' << lease.position << '\t' << conveyor::text(lease) << '\n';
        written++;
    }

    void run(std::uint32_t stage)
    {
        while (!stopped) { // the time is how late a signal may be noticed
            auto batch = buffer.get_wait<32>(stage, std::chrono::milliseconds(100));
            for (const cvb_lease &lease : batch)
                write_new(lease);
            if (!file.flush())
                throw std::runtime_error("cannot write the file");
            batch.ack(); // only now that it is written
        }
    }
};

void run(const char *segment, const char *stage, const char *path)
{
    std::signal(SIGTERM, on_sigterm);
    sink s{conveyor::buffer::attach(segment), remember(path), std::ofstream(path, std::ios::binary | std::ios::app)};
    s.run(s.buffer.stage(stage));
    std::printf("wrote %lu records, left out %lu that were there already\n", s.written, s.doubles);
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
        std::fprintf(stderr, "once: %s\n", e.what());
        return 1;
    }
}
