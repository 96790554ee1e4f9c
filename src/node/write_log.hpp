// What a writing client has seen: acknowledgements, errors, and the gaps between. Pure: it is told the times.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace castle::node {

class WriteLog {
public:
    // The insert of `row` was acknowledged by `server`. A sentence if that ended a gap worth telling.
    std::optional<std::string> acknowledged(BootTime when, std::int64_t row, const std::string& server);
    // Something failed: a connection, or the insert of `row`, which may be there all the same. A sentence for the first
    // error since the last acknowledgement.
    std::optional<std::string> failed(BootTime when, std::optional<std::int64_t> row, const std::string& why);
    // Forgets the longest gap and the errors: what follows is measured by itself.
    void measure_from_here();

    std::int64_t rows() const { return rows_; }  // acknowledged
    std::int64_t last_row() const { return last_row_; }
    const std::vector<std::int64_t>& unknown() const { return unknown_; }
    Duration longest_gap() const { return longest_gap_; }
    int errors() const { return errors_; }
    const std::string& server() const { return server_; }
    // Nothing has been amiss for so long.
    bool steady_for(Duration time, BootTime now) const;

    // "3120 rows acknowledged, longest gap 212 ms, 2 errors, n1 -> n2"
    std::string summary() const;

private:
    std::int64_t rows_ = 0;
    std::int64_t last_row_ = 0;
    std::vector<std::int64_t> unknown_;
    std::optional<BootTime> last_;   // acknowledgement
    std::optional<BootTime> amiss_;  // the last error, or the end of the last gap
    bool failing_ = false;
    int errors_ = 0;
    int errors_in_gap_ = 0;
    Duration longest_gap_{0};
    std::string server_;
    std::vector<std::string> servers_;  // since measure_from_here()
};

}  // namespace castle::node
