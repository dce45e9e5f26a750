// cost.cpp - what conveyor.hpp costs over the C functions: the same work by both, in turn, in one process: 64 records
// of 256 bytes are put, taken, read and acked. A pair is one turn of each, in alternating order; shown is the median of
// the pairs' ratios and its interval of 95 % (order statistics, binomial). Exit status 1 if the interval lies wholly
// above 1.02: then C++ costs something.
// usage: plus-cost [PAIRS]
#include <conveyor/conveyor.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

namespace
{

constexpr std::size_t batch_size = 64, payload_size = 256, batches = 200; // a turn takes about a millisecond

struct work {
    conveyor::buffer buffer;
    std::uint32_t stage, source, pipeline;
    std::vector<char> payload = std::vector<char>(batch_size * payload_size, 'x');
    std::vector<cvb_record> records;
    std::uint64_t sum = 0;

    explicit work(const std::string &name) : buffer(conveyor::buffer::attach(name))
    {
        stage = buffer.stage("work");
        source = buffer.source("bench");
        pipeline = buffer.pipeline("bench");
        for (std::size_t i = 0; i < batch_size; i++)
            records.push_back(conveyor::record({&payload[i * payload_size], payload_size}, source, pipeline));
    }
    void look(const cvb_lease &lease) { sum += static_cast<const unsigned char *>(lease.payload)[lease.length - 1]; }

    void by_c()
    {
        cvb_lease leases[batch_size];
        int why = 0;
        for (std::size_t i = 0; i < batches; i++) {
            if (cvb_buffer_batch_for_stage(buffer.get(), stage, records.data(), batch_size, &why) < 0)
                std::abort();
            const int n = cvb_get_batch(buffer.get(), stage, leases, batch_size);
            if (n < 0)
                std::abort();
            for (int k = 0; k < n; k++)
                look(leases[k]);
            if (n && cvb_ack(buffer.get(), leases, static_cast<std::size_t>(n)))
                std::abort();
        }
    }
    void by_cpp()
    {
        for (std::size_t i = 0; i < batches; i++) {
            buffer.put(stage, records.data(), batch_size);
            auto batch = buffer.get<batch_size>(stage);
            for (const cvb_lease &lease : batch)
                look(lease);
            batch.ack();
        }
    }
    double seconds(bool cpp)
    {
        const auto begin = std::chrono::steady_clock::now();
        cpp ? by_cpp() : by_c();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
};

int measure(work &w, std::size_t pairs)
{
    std::vector<double> ratios, c;
    for (std::size_t i = 0; i < pairs; i++) {
        const double first = w.seconds(i % 2), second = w.seconds(!(i % 2));
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
    conveyor::buffer::create(name);
    int status = 1;
    try {
        work w(name);
        w.seconds(false);
        status = measure(w, pairs);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "plus-cost: %s\n", e.what());
    }
    cvb_unlink(name.c_str());
    return status;
}
