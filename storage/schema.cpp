#include "storage/schema.hpp"

#include "storage/encoding.hpp"

#include <algorithm>
#include <limits>

namespace assay::storage::detail {

namespace {

constexpr std::string_view version_key = "schema_version";

fault too_new(uint32_t found, uint32_t known) {
  return {errc::store_incompatible,
          "the data has schema version " + std::to_string(found) + ", this assay knows up to "
              + std::to_string(known),
          {},
          "use the newer version of assay that wrote it"};
}

} // namespace

schema current_schema() { return {1, {}}; }

result<uint32_t> stored_version(const std::shared_ptr<environment>& environment) {
  auto reading = read_transaction::begin(environment);
  if (!reading)
    return reading.error();
  const auto use = (*reading)->enter();
  if (!use)
    return use.error();
  const auto stored = use->get(table::meta, version_key);
  if (!stored)
    return stored.error();
  if (!*stored)
    return 0;
  byte_reader in(**stored);
  const uint64_t version = in.varint_up_to(std::numeric_limits<uint32_t>::max());
  if (!in.complete() || version == 0)
    return fault{
        errc::store_unreadable, "the schema version of the data is damaged", {}, "restore it from a backup"};
  return static_cast<uint32_t>(version);
}

result<void> bring_forward(const std::shared_ptr<environment>& environment, const schema& wanted) {
  const auto found = stored_version(environment);
  if (!found)
    return found.error();
  if (*found > wanted.version)
    return too_new(*found, wanted.version);
  if (*found == wanted.version)
    return {};
  write_transaction transaction(environment);
  for (;;) {
    transaction.begin();
    // A new store starts at the newest version.
    for (uint32_t version = *found == 0 ? wanted.version : *found; version < wanted.version; ++version) {
      const auto step = std::ranges::find(wanted.steps, version, &migration::from);
      if (step == wanted.steps.end())
        return fault{errc::store_incompatible,
                     "the data has schema version " + std::to_string(version)
                         + ", which this assay cannot bring forward",
                     {},
                     "use an older version of assay first"};
      if (auto applied = step->apply(transaction); !applied)
        return applied;
    }
    std::string bytes;
    byte_writer(bytes).varint(wanted.version);
    transaction.put(table::meta, version_key, bytes);
    const auto error = transaction.commit();
    if (error == write_error::none)
      return {};
    if (error != write_error::map_full)
      return transaction.why();
    if (auto grown = environment->grow(); !grown)
      return grown;
  }
}

result<void> require_version(const std::shared_ptr<environment>& environment, const schema& wanted) {
  const auto found = stored_version(environment);
  if (!found)
    return found.error();
  if (*found == 0)
    return fault{errc::store_unreadable,
                 "the folder holds no data of assay",
                 {},
                 "check the path; `assay serve` creates the data"};
  if (*found > wanted.version)
    return too_new(*found, wanted.version);
  if (*found < wanted.version)
    return fault{errc::store_incompatible,
                 "the data has the older schema version " + std::to_string(*found),
                 {},
                 "start the farm once to bring it forward"};
  return {};
}

} // namespace assay::storage::detail
