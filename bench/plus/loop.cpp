// loop.cpp - the work of work.hpp by one of its two ways, for instructions.py.
// usage: plus-loop c|cpp BATCHES
#include "work.hpp"

#include <cstdio>
#include <unistd.h>

int main(int argc, char **argv)
{
    const std::string way = argc == 3 ? argv[1] : "", name = "conveyor-bench-plus-" + std::to_string(getpid());
    const std::size_t batches = argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 0;
    if (!batches || (way != "c" && way != "cpp"))
        return 2;
    int status = 1;
    try {
        conveyor::buffer::create(name);
        work w(name);
        way == "c" ? w.by_c(batches) : w.by_cpp(batches);
        status = w.sum != batches * batch_size * 'x';
    } catch (const std::exception &e) {
        std::fprintf(stderr, "plus-loop: %s\n", e.what());
    }
    cvb_unlink(name.c_str());
    return status;
}
