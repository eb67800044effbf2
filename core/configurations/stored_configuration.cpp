#include "core/configurations/stored_configuration.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace assay::configurations {

namespace {

using nlohmann::json;

constexpr std::string_view heads = "head/";
constexpr std::string_view versions = "version/";
/// Words that stand in the place of a name in paths of the API.
constexpr std::array<std::string_view, 2> reserved{"export", "import"};

json object_of(const std::string& text) {
  auto parsed = json::parse(text, nullptr, false);
  return parsed.is_object() ? std::move(parsed) : json::object();
}

json list_of(const std::string& text) {
  auto parsed = json::parse(text, nullptr, false);
  return parsed.is_array() ? std::move(parsed) : json::array();
}

int64_t number_of(wall_time time) { return time.time_since_epoch().count(); }

wall_time time_of(const json& value) { return wall_time{milliseconds{value.get<int64_t>()}}; }

void compare(const json& before, const json& after, const std::string& field, json& out) {
  if (before == after)
    return;
  if (before.is_object() && after.is_object()) {
    const auto below = [&](const std::string& name) { return field.empty() ? name : field + "." + name; };
    for (const auto& [name, value] : before.items())
      compare(value, after.contains(name) ? after.at(name) : json(), below(name), out);
    for (const auto& [name, value] : after.items())
      if (!before.contains(name))
        compare(json(), value, below(name), out);
    return;
  }
  // A group that comes or goes is told field by field.
  if (before.is_object() || after.is_object()) {
    compare(before.is_object() ? before : json::object(), after.is_object() ? after : json::object(), field,
            out);
    return;
  }
  out.push_back({{"field", field}, {"before", before}, {"after", after}});
}

std::string_view action_of(const stored_configuration& value) {
  if (value.deleted)
    return "deleted";
  return value.created_at == value.changed_at && value.created_by == value.changed_by ? "created" : "updated";
}

} // namespace

result<void> check_name(std::string_view id) {
  if (!is_caller_id(id))
    return fault{errc::invalid_argument,
                 "must be 1 to 128 characters out of letters, digits, '.', '_' and '-'", "model_id",
                 "`model` says what the provider calls it"};
  if (std::ranges::find(reserved, id) != reserved.end())
    return fault{errc::invalid_argument, "`" + std::string(id) + "` is no name for a configuration",
                 "model_id", "choose another"};
  return {};
}

std::string head_key(std::string_view id) { return std::string(heads) + std::string(id); }

std::string version_key(std::string_view id, uint64_t version) {
  auto number = std::to_string(version);
  number.insert(0, number.size() < 10 ? 10 - number.size() : 0, '0');
  return std::string(versions) + std::string(id) + "/" + number;
}

std::string_view head_prefix() noexcept { return heads; }

std::string to_text(const stored_configuration& value) {
  return json{{"id", value.id},
              {"version", value.version},
              {"configuration", object_of(value.configuration)},
              {"deleted", value.deleted},
              {"created_at", number_of(value.created_at)},
              {"created_by", value.created_by.value},
              {"changed_at", number_of(value.changed_at)},
              {"changed_by", value.changed_by.value},
              {"changes", list_of(value.changes)}}
      .dump();
}

result<stored_configuration> from_text(std::string_view text) {
  const auto parsed = json::parse(text, nullptr, false);
  stored_configuration out;
  try {
    out.id = parsed.at("id").get<std::string>();
    out.version = parsed.at("version").get<uint64_t>();
    out.configuration = parsed.at("configuration").dump();
    out.deleted = parsed.at("deleted").get<bool>();
    out.created_at = time_of(parsed.at("created_at"));
    out.created_by.value = parsed.at("created_by").get<std::string>();
    out.changed_at = time_of(parsed.at("changed_at"));
    out.changed_by.value = parsed.at("changed_by").get<std::string>();
    out.changes = parsed.at("changes").dump();
  } catch (const json::exception& error) {
    return fault{errc::store_unreadable,
                 "a stored model configuration cannot be read: " + std::string(error.what()),
                 {},
                 "restore a backup of the data folder"};
  }
  return out;
}

std::vector<configuration_row> rows_of(const stored_configuration& next,
                                       const std::optional<std::string>& present) {
  const auto text = to_text(next);
  std::vector<configuration_row> out;
  out.push_back({head_key(next.id), text, present});
  out.push_back({version_key(next.id, next.version), text, std::nullopt});
  return out;
}

std::optional<stored_configuration> next_version(const std::optional<stored_configuration>& present,
                                                 std::string id, std::string configuration,
                                                 const change_author& by) {
  const bool fresh = !present || present->deleted;
  const auto before = fresh ? json::object() : object_of(present->configuration);
  const auto after = object_of(configuration);
  if (!fresh && before == after)
    return std::nullopt;
  stored_configuration out;
  out.id = std::move(id);
  out.version = present ? present->version + 1 : 1;
  out.configuration = after.dump();
  out.created_at = fresh ? by.at : present->created_at;
  out.created_by = fresh ? by.who : present->created_by;
  // Two changes within a millisecond: only the first one has created it.
  out.changed_at = fresh ? by.at : std::max(by.at, present->created_at + milliseconds{1});
  out.changed_by = by.who;
  out.changes = changes_between(before, after).dump();
  return out;
}

stored_configuration deleted_version(const stored_configuration& present, const change_author& by) {
  auto out = present;
  ++out.version;
  out.deleted = true;
  out.changed_at = by.at;
  out.changed_by = by.who;
  out.changes = "[]";
  return out;
}

json changes_between(const json& before, const json& after) {
  auto out = json::array();
  compare(before, after, {}, out);
  return out;
}

result<void> check_match(std::string_view if_match, const std::optional<stored_configuration>& present) {
  if (if_match.empty())
    return {};
  const bool exists = present && !present->deleted;
  if (if_match == "*") {
    if (exists)
      return {};
    return fault{errc::conflict, "there is no such configuration, and If-Match asks for one", "If-Match", {}};
  }
  auto text = if_match;
  if (text.starts_with("W/"))
    text.remove_prefix(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  uint64_t wanted = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), wanted);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return fault{errc::invalid_argument, "is no version", "If-Match",
                 "send the ETag of the version that you have read, such as \"3\""};
  if (exists && present->version == wanted)
    return {};
  return fault{errc::conflict,
               exists ? "the configuration is at version " + std::to_string(present->version)
                            + ", and the change is for version " + std::to_string(wanted)
                      : "the configuration is deleted or was never there, and the change is for version "
                            + std::to_string(wanted),
               "If-Match", "read it again, and change that"};
}

json configuration_json(const stored_configuration& value) {
  return {{"model_id", value.id},
          {"version", value.version},
          {"configuration", object_of(value.configuration)},
          {"deleted", value.deleted},
          {"created_at", to_rfc3339(value.created_at)},
          {"created_by", value.created_by.value},
          {"updated_at", to_rfc3339(value.changed_at)},
          {"updated_by", value.changed_by.value}};
}

json version_json(const stored_configuration& value) {
  return {{"version", value.version},
          {"action", action_of(value)},
          {"at", to_rfc3339(value.changed_at)},
          {"by", value.changed_by.value},
          {"changes", list_of(value.changes)},
          {"configuration", value.deleted ? json(nullptr) : object_of(value.configuration)}};
}

} // namespace assay::configurations
