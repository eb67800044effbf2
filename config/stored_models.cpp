#include "config/stored_models.hpp"

#include "config/document.hpp"
#include "config/environment.hpp"
#include "config/fleet.hpp"
#include "config/models.hpp"
#include "config/scalars.hpp"

#include <nlohmann/json.hpp>
#include <yaml-cpp/emitter.h>

#include <algorithm>
#include <array>

namespace assay::config {

namespace {

using nlohmann::json;

constexpr size_t most_models = 1'000;
constexpr size_t most_faults_told = 10;

fault wrong(const node& at, const std::string& path, std::string message, std::string hint) {
  return {errc::invalid_argument, std::move(message), to_string(at.at) + " " + path, std::move(hint)};
}

std::string path_in(const std::string& id, std::string_view field) {
  return "models." + id + "." + std::string(field);
}

// -- other names -------------------------------------------------------------------------------------------

/// A field that may stand beside the group that it belongs to.
struct loose_field {
  std::string_view key;
  std::string_view group;
};
constexpr std::array<loose_field, 5> loose_fields{{{"max_cost_per_request", "cost_management"},
                                                   {"daily_budget", "cost_management"},
                                                   {"monthly_budget", "cost_management"},
                                                   {"target_response_time", "performance_targets"},
                                                   {"target_success_rate", "performance_targets"}}};

std::optional<node> take(node& from, std::string_view key) {
  const auto found =
      std::ranges::find_if(from.members, [&](const auto& member) { return member.first == key; });
  if (found == from.members.end())
    return std::nullopt;
  auto out = std::move(found->second);
  from.members.erase(found);
  return out;
}

/// Brings the names of the documents' other examples to those of model_configs.yaml.
void settle_names(const std::string& id, node& model, std::vector<fault>& faults) {
  if (auto limits = take(model, "rate_limit_config")) {
    if (const auto* other = model.find("rate_limits"); other != nullptr && !other->is_null())
      faults.push_back(wrong(*limits, path_in(id, "rate_limit_config"),
                             "rate_limits and rate_limit_config are the same", "leave one of them out"));
    else
      model.members.emplace_back("rate_limits", std::move(*limits));
  }
  for (const auto& loose : loose_fields) {
    auto value = take(model, loose.key);
    if (!value || value->is_null())
      continue;
    auto* group = model.find(loose.group);
    if (group == nullptr || group->is_null()) {
      static_cast<void>(take(model, loose.group));
      group = &model.members.emplace_back(loose.group, node::map_at(value->at)).second;
    }
    if (!group->is_map())
      continue; // The reader says what is wrong with it.
    if (group->find(loose.key) != nullptr)
      faults.push_back(wrong(*value, path_in(id, loose.key),
                             "stands in " + std::string(loose.group) + " already", "leave one of them out"));
    else
      group->members.emplace_back(loose.key, std::move(*value));
  }
}

// -- keys --------------------------------------------------------------------------------------------------

bool is_reference(std::string_view text) {
  if (!text.starts_with("${") || !text.ends_with('}') || text.size() < 4)
    return false;
  return std::ranges::all_of(text.substr(2, text.size() - 3), [](char c) {
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

void check_key(const std::string& id, const node& model, std::vector<fault>& faults,
               std::vector<std::string>& notes) {
  const auto* key = model.find("api_key");
  if (key == nullptr || key->is_null())
    return;
  if (key->type == node::kind::scalar && is_reference(key->text)) {
    notes.push_back("api_key is kept as a word and not looked up: calls take the key of the provider");
    return;
  }
  faults.push_back(wrong(*key, path_in(id, "api_key"), "keys are not kept in model configurations",
                         "give it to the provider: `assay keys add`; leave api_key out, or write it as "
                         "${NAME_OF_A_VARIABLE}"));
}

// -- the form that is kept ---------------------------------------------------------------------------------

/// The author's own values; where the table has another type or spelling for one, that. What is empty is left
/// out.
json kept(const json& written, const json& read) {
  if (written.is_object()) {
    json out = json::object();
    for (const auto& [name, value] : written.items()) {
      auto below = kept(value, read.is_object() && read.contains(name) ? read.at(name) : json());
      const bool nothing = below.is_null() || (below.is_structured() && below.empty())
                           || (below.is_string() && below.get_ref<const std::string&>().empty());
      if (!nothing)
        out[name] = std::move(below);
    }
    return out;
  }
  const bool secret_shown = read.is_string() && read.get_ref<const std::string&>() == "***";
  if (written.is_string() && (read.is_number() || read.is_boolean() || read.is_string()) && !secret_shown)
    return read;
  // `20240307` without quotes is a text where the table wants one.
  if (written.is_number() && read.is_string() && !secret_shown)
    return read;
  return written;
}

json dumped(const written_model& model) {
  std::vector<written_model> one{model};
  json out = json::object();
  field_dumper dumper(out);
  fields_of(dumper, one);
  return out.at("models").at(model.id);
}

struct reading {
  std::vector<read_model> models;
  std::vector<fault> faults;
};

/// @param tree With a group `models` and nothing else.
reading read_tree(node tree) {
  reading out;
  auto* models = tree.find("models");
  std::vector<std::vector<std::string>> notes;
  if (models != nullptr && models->is_map())
    for (auto& [id, model] : models->members) {
      auto& told = notes.emplace_back();
      if (!model.is_map())
        continue;
      settle_names(id, model, out.faults);
      check_key(id, model, out.faults, told);
    }
  field_reader reader(tree);
  std::vector<written_model> written;
  fields_of(reader, written);
  auto faults = reader.finish();
  std::ranges::move(faults, std::back_inserter(out.faults));
  if (!out.faults.empty() || models == nullptr || !models->is_map())
    return out;
  for (size_t i = 0; i < models->members.size(); ++i) {
    const auto& [id, model] = models->members[i];
    const auto found = std::ranges::find(written, id, &written_model::id);
    if (found == written.end())
      continue;
    auto text =
        kept(to_json_value(model), dumped(*found)).dump(-1, ' ', false, json::error_handler_t::replace);
    out.models.push_back({id, std::move(text), notes[i]});
  }
  return out;
}

/// Takes what a file's error begins with off the field of one configuration.
fault by_field(fault reason, const std::string& id) {
  const auto prefix = "models." + id;
  std::string_view where = reason.where;
  while (where.starts_with(' '))
    where.remove_prefix(1);
  if (where.starts_with(prefix)) {
    where.remove_prefix(prefix.size());
    if (where.starts_with('.'))
      where.remove_prefix(1);
  }
  reason.where = std::string(where);
  return reason;
}

fault combined(std::vector<fault> faults, const std::string* id) {
  for (auto& one : faults) {
    if (id != nullptr)
      one = by_field(std::move(one), *id);
    while (one.where.starts_with(' '))
      one.where.erase(0, 1);
  }
  auto first = std::move(faults.front());
  for (size_t i = 1; i < std::min(faults.size(), most_faults_told); ++i)
    first.hint += (first.hint.empty() ? "also: " : "; also: ") + to_string(faults[i]);
  return first;
}

node tree_with(const std::string& id, node model) {
  auto models = node::map_at({});
  models.members.emplace_back(id, std::move(model));
  auto tree = node::map_at({});
  tree.members.emplace_back("models", std::move(models));
  return tree;
}

// -- YAML out ----------------------------------------------------------------------------------------------

void emit(YAML::Emitter& out, const json& value) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [name, below] : value.items()) {
      out << YAML::Key << name << YAML::Value;
      emit(out, below);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    out << YAML::Flow << YAML::BeginSeq;
    for (const auto& below : value)
      emit(out, below);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    // In quotes, so that no text is taken for a number or a truth value.
    out << YAML::DoubleQuoted << value.get<std::string>();
  } else {
    out << value.dump();
  }
}

} // namespace

result<read_model> read_model_configuration(const std::string& id, const json& fields) {
  if (!fields.is_object())
    return fault{errc::invalid_argument, "a configuration is a group of fields", "configuration", {}};
  auto tree = tree_of(fields, {});
  if (!tree)
    return tree.error();
  auto read = read_tree(tree_with(id, std::move(*tree)));
  if (!read.faults.empty())
    return combined(std::move(read.faults), &id);
  return std::move(read.models.front());
}

result<std::vector<read_model>> read_model_configurations(const std::string& yaml,
                                                          const std::string& source) {
  auto tree = parse_yaml(yaml, source);
  if (!tree)
    return tree.error();
  const auto* models = tree->find("models");
  if (models == nullptr || models->is_null() || (models->is_map() && models->members.empty()))
    return fault{errc::invalid_argument, "the text has no models", source.empty() ? "models" : source,
                 "it has the shape of model_configs.yaml: models, then a group of fields for each name"};
  if (models->members.size() > most_models)
    return fault{errc::too_large, "the text has more than " + std::to_string(most_models) + " models",
                 source.empty() ? "models" : source, "import them in parts"};
  auto read = read_tree(std::move(*tree));
  if (!read.faults.empty())
    return combined(std::move(read.faults), nullptr);
  return std::move(read.models);
}

std::string to_model_configs_yaml(const std::vector<std::pair<std::string, std::string>>& models) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "models" << YAML::Value << YAML::BeginMap;
  for (const auto& [id, text] : models) {
    const auto fields = json::parse(text, nullptr, false);
    out << YAML::Key << id << YAML::Value;
    emit(out, fields.is_object() ? fields : json::object());
  }
  out << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

result<settings> with_stored_model(const settings& from, const std::string& id,
                                   const std::string& configuration, uint64_t version) {
  const auto fields = json::parse(configuration, nullptr, false);
  if (!fields.is_object())
    return fault{errc::invalid_argument, "a configuration is a group of fields", "configuration", {}};
  auto parsed = tree_of(fields, {});
  if (!parsed)
    return parsed.error();
  const auto tree = tree_with(id, std::move(*parsed));
  field_reader reader(tree);
  document written;
  fields_of(reader, written.models);
  if (auto faults = reader.finish(); !faults.empty())
    return combined(std::move(faults), &id);
  auto out = from;
  out.warnings.clear();
  std::erase_if(out.models, [&](const model_profile& one) { return one.id.value == id; });
  if (auto added = add_model(written.models.front(), tree, out); !added)
    return by_field(added.error(), id);
  if (auto built = build_routes(written, tree, out); !built)
    return by_field(built.error(), id);
  std::ranges::find(out.models, model_id{id}, &model_profile::id)->configuration_version = version;
  for (auto& note : out.warnings)
    if (const auto prefix = "model " + id + ": "; note.starts_with(prefix))
      note.erase(0, prefix.size());
  return out;
}

bool is_shadowed(const settings& from, const std::string& id) {
  return find_model(from, model_id{std::string(id)}) != nullptr;
}

result<void> check_known_provider(const settings& from, const settings& with, const std::string& id) {
  const auto* model = find_model(with, model_id{std::string(id)});
  if (model == nullptr || find_provider(from, model->provider) != nullptr)
    return {};
  return fault{errc::unsupported, "a running farm takes up no address that is not configured", "base_url",
               "let the operator add a provider with this base_url, and name it as `provider`"};
}

} // namespace assay::config
