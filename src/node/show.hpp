// What `up` and `status` print about a running cluster. Belongs to the loop's thread.
#pragma once

#include <string>
#include <vector>

#include "io/loop.hpp"
#include "node/member_report.hpp"
#include "node/plan.hpp"
#include "node/report.hpp"

namespace castle::node {

// The table of `pgcastle list`, from the store. Members write there a moment after they say the same over REST: waits
// up to `until` for a table that shows everybody streaming.
Task<Result<std::string>> member_table(io::Loop& loop, Plan plan, BootTime until);

std::string processes_text(const Plan& plan, const Report& report);
std::string connection_text(const Plan& plan);  // the connection string and the REST addresses
// What to try next, in commands that can be copied.
std::string try_text(const Plan& plan, const std::vector<MemberReport>& members);

// " --dir D", or nothing if D is where the commands look anyway.
std::string directory_option(const Plan& plan);
// How a person would call this program from here.
std::string program_for_people();

}  // namespace castle::node
