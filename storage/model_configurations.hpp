#pragma once

#include "core/configurations/stored_configuration.hpp"
#include "storage/snapshot.hpp"
#include "storage/write_batch.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Model configurations in the table `models`: one document for the present version of each, one for every
/// version.
namespace assay::storage {

/// The present version, and its text as it is stored: what a change must find.
struct present_configuration {
  configurations::stored_configuration value;
  std::string text;
};

/// @returns the present version, deleted or not; nothing when there never was one. A point read.
result<std::optional<present_configuration>> find_configuration(snapshot& view, std::string_view id);

/// @returns one version; nothing when there is none of this number. A point read.
result<std::optional<configurations::stored_configuration>>
find_configuration_version(snapshot& view, std::string_view id, uint64_t version);

/// @returns the present versions of all that are not deleted, by name.
result<std::vector<configurations::stored_configuration>> list_configurations(snapshot& view);

/// @returns versions below @p before, newest first; at most @p limit.
result<std::vector<configurations::stored_configuration>>
configuration_history(snapshot& view, std::string_view id, uint64_t before, size_t limit);

/// Adds the rows of a change to @p batch, with their conditions.
void put_configuration(write_batch& batch, const configurations::stored_configuration& next,
                       const std::optional<std::string>& present);

} // namespace assay::storage
