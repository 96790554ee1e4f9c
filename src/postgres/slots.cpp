#include "postgres/slots.hpp"

namespace castle::postgres {
namespace {

std::string statement(const core::SlotStep& step) {
    using Kind = core::SlotStep::Kind;
    switch (step.kind) {
        case Kind::create:
            return "SELECT pg_catalog.pg_create_physical_replication_slot(" + literal(step.name) + ", true)";
        case Kind::drop: return "SELECT pg_catalog.pg_drop_replication_slot(" + literal(step.name) + ")";
        // Bounded by the server itself: what it has not replayed or flushed is not skipped.
        case Kind::advance:
            return "SELECT pg_catalog.pg_replication_slot_advance(" + literal(step.name) + ", " +
                   literal(step.to.text()) + ")";
        case Kind::blocked: break;
    }
    return {};
}

}  // namespace

Task<Result<SlotChanges>> change_slots(Connection& connection, std::vector<core::SlotStep> steps, BootTime deadline) {
    using Kind = core::SlotStep::Kind;
    SlotChanges changes;
    for (const core::SlotStep& step : steps) {
        if (step.kind == Kind::blocked) {
            changes.problems.push_back("replication slot " + step.name + " should go (" + step.why +
                                       "), but somebody uses it");
            continue;
        }
        auto done = co_await connection.query(statement(step), deadline);
        const char* verb = step.kind == Kind::create ? "create" : step.kind == Kind::drop ? "drop" : "advance";
        const std::string what = std::string(verb) + " replication slot " + step.name;
        if (connection.broken()) co_return std::move(done).error().in(what);
        if (!done)
            changes.problems.push_back(what + ": " + done.error().message);
        else if (step.kind == Kind::create)
            changes.done.push_back("created replication slot " + step.name);
        else if (step.kind == Kind::drop)
            changes.done.push_back("dropped replication slot " + step.name + ": " + step.why);
    }
    co_return changes;
}

}  // namespace castle::postgres
