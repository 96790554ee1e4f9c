#include "postgres/slots.hpp"

#include <algorithm>

namespace castle::postgres {

bool is_left_alone(const Policy& policy, const FoundSlot& slot) {
    if (slot.failover || policy.permanent_slots.contains(slot.name)) return true;
    return std::ranges::any_of(policy.ignore_slots, [&](const core::IgnoredSlot& ignored) {
        const auto fits = [](const std::optional<std::string>& wanted, const std::string& is) {
            return !wanted || *wanted == is;
        };
        const std::string type = slot.physical ? "physical" : "logical";
        return fits(ignored.name, slot.name) && fits(ignored.type, type) && fits(ignored.database, slot.database) &&
               fits(ignored.plugin, slot.plugin);
    });
}

Task<Result<SlotChanges>> sync_slots(Connection& connection, SlotWishes wishes, BootTime deadline) {
    const std::string failover = connection.version().slot_failover() ? "failover OR synced" : "false";
    CASTLE_CO_TRY(const Rows rows,
                  co_await connection.query("SELECT slot_name, slot_type = 'physical', database, plugin, active, " +
                                                failover + " FROM pg_catalog.pg_replication_slots WHERE NOT temporary",
                                            deadline));
    SlotChanges changes;
    std::vector<std::string> missing = wishes.wanted;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        const FoundSlot slot{rows.text(row, 0), rows.truth(row, 1), rows.text(row, 2),
                             rows.text(row, 3), rows.truth(row, 4), rows.truth(row, 5)};
        const bool is_wanted = std::ranges::find(wishes.wanted, slot.name) != wishes.wanted.end();
        if (is_wanted && slot.physical) {
            std::erase(missing, slot.name);
            continue;
        }
        if (!is_wanted && (!wishes.drop_unknown || is_left_alone(wishes.policy, slot))) continue;
        if (slot.active) {
            changes.problems.push_back("replication slot " + slot.name + " should go, but somebody uses it");
            if (is_wanted) std::erase(missing, slot.name);
            continue;
        }
        auto dropped = co_await connection.query(
            "SELECT pg_catalog.pg_drop_replication_slot(" + literal(slot.name) + ")", deadline);
        if (dropped)
            changes.done.push_back("dropped replication slot " + slot.name);
        else
            changes.problems.push_back("drop replication slot " + slot.name + ": " + dropped.error().message);
        if (connection.broken()) co_return dropped.error();
    }
    for (const std::string& name : missing) {
        auto made = co_await connection.query(
            "SELECT pg_catalog.pg_create_physical_replication_slot(" + literal(name) + ", true)", deadline);
        if (made)
            changes.done.push_back("created replication slot " + name);
        else
            changes.problems.push_back("create replication slot " + name + ": " + made.error().message);
        if (connection.broken()) co_return made.error();
    }
    co_return changes;
}

}  // namespace castle::postgres
