// work.hpp - the same work by the C functions and by conveyor.hpp: batches of 64 records of 256 bytes are put, taken,
// read and acked.
#ifndef PLUS_WORK_HPP
#define PLUS_WORK_HPP

#include <conveyor/conveyor.hpp>

#include <cstdlib>
#include <string>
#include <vector>

constexpr std::size_t batch_size = 64, payload_size = 256;

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

    void by_c(std::size_t batches)
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
    void by_cpp(std::size_t batches)
    {
        for (std::size_t i = 0; i < batches; i++) {
            buffer.put(stage, records.data(), batch_size);
            auto batch = buffer.get<batch_size>(stage);
            for (const cvb_lease &lease : batch)
                look(lease);
            batch.ack();
        }
    }
};

#endif
