// ledger.hpp - a file that says which records a worker is done with, across its death: the examples once and flaky
// write what they do into it. Each line is SOURCE, POSITION and a text, with tabs between. The key is source and
// position, which stay with a record wherever it goes; a record without a position has no key. One process at a time
// has a file. A database would have the key as a unique one, in the transaction that does the work. Keys whose position
// is settled, as buffer::progress says, never come again, and may be forgotten.
#ifndef LEDGER_HPP
#define LEDGER_HPP

#include <conveyor/conveyor.hpp>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

class ledger
{
  public:
    // Reads what is there, and cuts off a last line that a kill has left unfinished.
    explicit ledger(const std::string &path)
    {
        std::ifstream there(path, std::ios::binary);
        std::uintmax_t end = 0;
        for (std::string line; std::getline(there, line) && !there.eof(); end += line.size() + 1) {
            const auto tab = line.find('\t');
            seen_.emplace(line.substr(0, tab), std::stoull(line.substr(tab + 1)));
        }
        if (there.is_open())
            std::filesystem::resize_file(path, end);
        file_.exceptions(std::ios::failbit | std::ios::badbit);
        file_.open(path, std::ios::binary | std::ios::app);
    }

    // Whether it has the key of the record.
    bool knows(conveyor::buffer &buffer, const cvb_lease &lease) const
    {
        return lease.position && seen_.count({buffer.source_name(lease.source), lease.position});
    }

    // Adds a line for the record, with a text that has no newline; flush hands all lines to the system.
    void write(conveyor::buffer &buffer, const cvb_lease &lease, std::string_view text)
    {
        const std::string source = buffer.source_name(lease.source);
        file_ << source << '\t' << lease.position << '\t' << text << '\n';
        seen_.emplace(source, lease.position);
    }
    void flush() { file_.flush(); }

  private:
    std::set<std::pair<std::string, std::uint64_t>> seen_;
    std::ofstream file_;
};

#endif
