// resume.cpp - a connector that may be killed at any time and started again: each line of a file goes in once.
//   position    of a line: the offset in the file of the byte behind it
//   accepted    the segment has all lines up to this position, so it goes on there: nothing is lost or doubled
//   settled     they have left the buffer for good, so the file up to there may be forgotten: it says so at the end
// usage: resume SEGMENT STAGE SOURCE FILE
#include <conveyor/conveyor.hpp>

#include <cstdio>
#include <fstream>
#include <string>

namespace
{

// Returns the position of the last line.
std::uint64_t pour(conveyor::buffer &buffer, std::uint32_t stage, std::uint32_t source, std::ifstream &file)
{
    const auto pipeline = buffer.pipeline("example");
    std::uint64_t position = buffer.open_source(source); // CVB_EBUSY while another connector of the source lives
    std::printf("goes on behind byte %ju\n", static_cast<std::uintmax_t>(position));
    std::fflush(stdout);
    file.seekg(static_cast<std::streamoff>(position));
    for (std::string line; std::getline(file, line);) {
        position += line.size() + !file.eof();
        const cvb_record record = conveyor::record(line, source, pipeline, position);
        conveyor::check(buffer.put_wait(stage, &record, 1).refused);
    }
    return position;
}

void run(const char *segment, const char *stage, const char *source_name, std::ifstream &file)
{
    conveyor::buffer buffer = conveyor::buffer::attach(segment);
    const auto source = buffer.source(source_name);
    const std::uint64_t last = pour(buffer, buffer.stage(stage), source, file);
    buffer.wait_settled(source, last);
    std::printf("all is settled up to byte %ju\n", static_cast<std::uintmax_t>(last));
}

} // namespace

int main(int argc, char **argv)
{
    std::ifstream file(argc == 5 ? argv[4] : "", std::ios::binary);
    if (!file)
        return 2;
    try {
        run(argv[1], argv[2], argv[3], file);
        return 0;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "resume: %s\n", e.what());
        return 1;
    }
}
