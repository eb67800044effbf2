#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Model configurations that are kept in the store, version by version.
namespace assay::configurations {

/// One version of a model configuration. The newest is its present state; a deleted one has no fields.
struct stored_configuration {
  std::string id;            ///< The model_id by which evaluations name it.
  uint64_t version = 0;      ///< From 1, one more with each change, over deletions too.
  std::string configuration; ///< JSON object text: the fields of an entry of model_configs.yaml.
  bool deleted = false;
  wall_time created_at{}; ///< Of version 1, or of the first one after a deletion.
  user_id created_by;
  wall_time changed_at{}; ///< Of this version.
  user_id changed_by;
  std::string changes = "[]"; ///< JSON text of changes_between() this one and the one before.

  bool operator==(const stored_configuration&) const = default;
};

/// The most versions of one configuration that a list shows at once, and the most bytes of one configuration.
inline constexpr size_t most_listed_versions = 100;
inline constexpr size_t most_configuration_bytes = 64 * 1024;
inline constexpr size_t most_configurations = 10'000;

/// @returns invalid_argument naming the field `model_id` for a name that a configuration cannot have:
/// [A-Za-z0-9._-]{1,128}, and none of the words that stand in the place of one in paths.
result<void> check_name(std::string_view id);

/// Keys of the documents. All versions of a configuration lie beside each other, in order.
std::string head_key(std::string_view id);
std::string version_key(std::string_view id, uint64_t version);
/// What the keys of all heads start with.
std::string_view head_prefix() noexcept;

/// The storage form as text. @returns store_unreadable for a text that is none.
std::string to_text(const stored_configuration& value);
result<stored_configuration> from_text(std::string_view text);

/// A document that a change writes.
struct configuration_row {
  std::string key;
  std::string text;
  /// What the document must hold for the change to be written; nothing: there must be none.
  std::optional<std::string> replaces;
};

/// @returns the rows that make @p next the present version: the head and its entry in the history. Together
/// they are written or not at all. @param present The head's text as it was read; nothing when there was
/// none.
std::vector<configuration_row> rows_of(const stored_configuration& next,
                                       const std::optional<std::string>& present);

/// Who changes a configuration, and when.
struct change_author {
  user_id who;
  wall_time at{};
};

/// @param present Nothing, or the present version, deleted or not. @param configuration JSON object text.
/// @returns the version that follows; nothing when @p configuration is what it is already.
std::optional<stored_configuration> next_version(const std::optional<stored_configuration>& present,
                                                 std::string id, std::string configuration,
                                                 const change_author& by);
/// @returns the version that says that it is deleted.
stored_configuration deleted_version(const stored_configuration& present, const change_author& by);

/// The fields in which two configurations differ: [{field, before, after}], with dots in the names of nested
/// ones, in their order; null where a side has none.
nlohmann::json changes_between(const nlohmann::json& before, const nlohmann::json& after);

/// @returns conflict naming both versions when @p present is not the one that @p if_match asks for.
/// @param if_match The value of If-Match: `"3"`, `3`, `W/"3"`, `*`, or empty for any. @returns
/// invalid_argument for another form.
result<void> check_match(std::string_view if_match, const std::optional<stored_configuration>& present);

// The API's forms, one place for each shape.

/// GET /model-configs/{id}
nlohmann::json configuration_json(const stored_configuration& value);
/// An entry of GET /model-configs/{id}/history.
nlohmann::json version_json(const stored_configuration& value);

} // namespace assay::configurations
