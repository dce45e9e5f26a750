// cost.cpp - what conveyor.hpp costs over the C functions: the same work by both, in turn, in one process. A pair is
// one turn of each, in alternating order; shown is the median of the pairs' ratios and its interval of 95 % (order
// statistics, binomial). Exit status 1 if the interval lies wholly above 1.02: then C++ costs something. usage:
// plus-cost [PAIRS]
#include "work.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>
#include <vector>

namespace
{

constexpr std::size_t batches = 200; // a turn takes about a millisecond

double seconds(work &w, bool cpp)
{
    const auto begin = std::chrono::steady_clock::now();
    cpp ? w.by_cpp(batches) : w.by_c(batches);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int measure(work &w, std::size_t pairs)
{
    std::vector<double> ratios, c;
    for (std::size_t i = 0; i < pairs; i++) {
        const double first = seconds(w, i % 2), second = seconds(w, !(i % 2));
        ratios.push_back(i % 2 ? first / second : second / first);
        c.push_back(i % 2 ? second : first);
    }
    std::sort(ratios.begin(), ratios.end());
    std::sort(c.begin(), c.end());
    const double middle = static_cast<double>(pairs) / 2, half = 0.98 * std::sqrt(static_cast<double>(pairs));
    const double low = ratios[static_cast<std::size_t>(std::max(0.0, middle - half))];
    const double high = ratios[static_cast<std::size_t>(std::min(static_cast<double>(pairs) - 1, middle + half))];
    std::printf("C %.1f ns a record; C++ / C %.4f, 95 %%: %.4f to %.4f, %zu pairs\n",
                c[pairs / 2] * 1e9 / (batches * batch_size), ratios[pairs / 2], low, high, pairs);
    return low > 1.02;
}

} // namespace

int main(int argc, char **argv)
{
    const std::size_t pairs = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000;
    const std::string name = "conveyor-bench-plus-" + std::to_string(getpid());
    if (!pairs)
        return 2;
    int status = 1;
    try {
        conveyor::buffer::create(name);
        work w(name);
        seconds(w, false);
        status = measure(w, pairs);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "plus-cost: %s\n", e.what());
    }
    cvb_unlink(name.c_str());
    return status;
}
