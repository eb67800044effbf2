#include "cli/local_configs.hpp"

#include "cli/load_settings.hpp"
#include "cli/stored_keys.hpp"
#include "cli/stored_models.hpp"
#include "config/models.hpp"
#include "config/stored_models.hpp"
#include "core/configurations/optimized.hpp"
#include "server/model_evidence.hpp"
#include "storage/model_configurations.hpp"

#include <nlohmann/json.hpp>

#include <limits>
#include <utility>

namespace assay::cli {

namespace {

using configurations::stored_configuration;
using nlohmann::json;
using storage::present_configuration;

/// Who changes what is in the folder: whoever may write there.
constexpr const char* local_author = "local";

fault unknown(const std::string& id) {
  return {errc::not_found, "there is no model configuration '" + id + "'", "ID",
          "`assay configs` lists them"};
}

std::string match_of(std::optional<uint64_t> version) { return version ? std::to_string(*version) : ""; }

class local_configs final : public config_backend {
public:
  explicit local_configs(std::shared_ptr<const config::settings> settings) : settings_(std::move(settings)) {}

  std::optional<fault> list(json& out) override {
    auto all = read_all();
    if (!all)
      return all.error();
    out = json::array();
    for (const auto& one : *all)
      out.push_back(configurations::configuration_json(one));
    return std::nullopt;
  }

  std::optional<fault> show(const std::string& id, uint64_t version, json& out) override {
    auto store = open_store_read_only(*settings_);
    if (!store)
      return store.error().code == errc::not_found ? unknown(id) : store.error();
    auto view = storage::snapshot::open(*store);
    if (!view)
      return view.error();
    if (version != 0) {
      auto found = storage::find_configuration_version(*view, id, version);
      if (!found)
        return found.error();
      if (!*found)
        return fault{errc::not_found,
                     "model configuration '" + id + "' has no version " + std::to_string(version),
                     "--version", "`assay configs history " + id + "` lists them"};
      out = configurations::configuration_json(**found);
      return std::nullopt;
    }
    auto found = storage::find_configuration(*view, id);
    if (!found)
      return found.error();
    if (!*found || (*found)->value.deleted)
      return unknown(id);
    out = configurations::configuration_json((*found)->value);
    return std::nullopt;
  }

  std::optional<fault> put(const std::string& id, const json& fields, std::optional<uint64_t> if_version,
                           json& out) override {
    if (auto named = configurations::check_name(id); !named)
      return named.error();
    auto read = config::read_model_configuration(id, fields);
    if (!read)
      return read.error();
    auto notes = check(*read);
    if (!notes)
      return notes.error();
    auto store = storage::store::open(store_options_of(*settings_));
    if (!store)
      return store.error();
    auto present = find(*store, id);
    if (!present)
      return present.error();
    const auto before = version_of(*present);
    if (auto matches = configurations::check_match(match_of(if_version), before); !matches)
      return matches.error();
    const auto next = configurations::next_version(before, id, read->configuration, author());
    if (next) {
      storage::write_batch batch;
      storage::put_configuration(batch, *next, text_of(*present));
      if (auto failed = write_and_wait(*store, std::move(batch)))
        return failed;
    }
    out = configurations::configuration_json(next ? *next : *before);
    out["notes"] = *notes;
    return std::nullopt;
  }

  std::optional<fault> erase(const std::string& id, std::optional<uint64_t> if_version, json& out) override {
    auto store = storage::store::open(store_options_of(*settings_));
    if (!store)
      return store.error();
    auto present = find(*store, id);
    if (!present)
      return present.error();
    if (!*present || (*present)->value.deleted)
      return unknown(id);
    if (auto matches = configurations::check_match(match_of(if_version), version_of(*present)); !matches)
      return matches.error();
    const auto last = configurations::deleted_version((*present)->value, author());
    storage::write_batch batch;
    storage::put_configuration(batch, last, text_of(*present));
    if (auto failed = write_and_wait(*store, std::move(batch)))
      return failed;
    out = {{"status", "deleted"}, {"model_id", id}, {"version", last.version}};
    return std::nullopt;
  }

  std::optional<fault> history(const std::string& id, json& out) override {
    auto store = open_store_read_only(*settings_);
    if (!store)
      return store.error().code == errc::not_found ? unknown(id) : store.error();
    auto present = find(*store, id);
    if (!present)
      return present.error();
    if (!*present)
      return unknown(id);
    out = json::array();
    for (auto before = (*present)->value.version + 1; before > 1;) {
      auto view = storage::snapshot::open(*store);
      if (!view)
        return view.error();
      auto page = storage::configuration_history(*view, id, before, configurations::most_listed_versions);
      if (!page)
        return page.error();
      if (page->empty())
        break;
      for (const auto& one : *page)
        out.push_back(configurations::version_json(one));
      before = page->back().version;
    }
    return std::nullopt;
  }

  std::optional<fault> export_yaml(const std::string& id, std::string& out) override {
    auto all = read_all();
    if (!all)
      return all.error();
    std::vector<std::pair<std::string, std::string>> models;
    for (auto& one : *all)
      if (id.empty() || one.id == id)
        models.emplace_back(one.id, std::move(one.configuration));
    if (!id.empty() && models.empty())
      return unknown(id);
    out = config::to_model_configs_yaml(models);
    return std::nullopt;
  }

  std::optional<fault> import_yaml(const std::string& text, const std::string& source, bool dry_run,
                                   json& out) override {
    auto read = config::read_model_configurations(text, source);
    if (!read)
      return read.error();
    out = {{"created", json::array()},
           {"updated", json::array()},
           {"unchanged", json::array()},
           {"notes", json::array()},
           {"dry_run", dry_run}};
    for (const auto& one : *read) {
      auto named = configurations::check_name(one.id);
      auto notes = named ? check(one) : result<std::vector<std::string>>{named.error()};
      if (!notes) {
        auto reason = notes.error();
        reason.where =
            source + " models." + one.id + (named && !reason.where.empty() ? "." + reason.where : "");
        return reason;
      }
      for (const auto& note : *notes)
        out["notes"].push_back(one.id + ": " + note);
    }
    // Whoever only asks must not need the folder to himself.
    auto store =
        dry_run ? open_store_read_only(*settings_) : storage::store::open(store_options_of(*settings_));
    if (!store && !(dry_run && store.error().code == errc::not_found))
      return store.error();
    storage::write_batch batch;
    for (const auto& one : *read) {
      result<std::optional<present_configuration>> present{std::optional<present_configuration>{}};
      if (store)
        present = find(*store, one.id);
      if (!present)
        return present.error();
      const auto before = version_of(*present);
      const auto next = configurations::next_version(before, one.id, one.configuration, author());
      if (!next) {
        out["unchanged"].push_back(one.id);
        continue;
      }
      out[before && !before->deleted ? "updated" : "created"].push_back(one.id);
      storage::put_configuration(batch, *next, text_of(*present));
    }
    if (dry_run || batch.documents.empty())
      return std::nullopt;
    return write_and_wait(*store, std::move(batch));
  }

  std::optional<fault> optimized(const std::string& id, const std::string& task_type,
                                 const std::string& strategy, json& out) override {
    configurations::optimization_input input;
    input.task_type = task_type;
    input.strategy = configurations::optimization_strategy_from_string(strategy).value_or(
        configurations::optimization_strategy::balanced);
    std::optional<uint64_t> version;
    auto store = open_store_read_only(*settings_);
    if (!store && store.error().code != errc::not_found)
      return store.error();
    if (store) {
      auto present = find(*store, id);
      if (!present)
        return present.error();
      if (*present && !(*present)->value.deleted) {
        version = (*present)->value.version;
        input.configuration = (*present)->value.configuration;
      }
      auto found = server::gather_evidence(*store, {std::nullopt, model_id{std::string(id)}, task_type});
      if (!found)
        return found.error();
      input.results = std::move(found->results);
      input.more_results = found->more;
    }
    if (!version) {
      const auto resolved = config::resolve_model(*settings_, id);
      if (!resolved)
        return unknown(id);
      input.configuration = server::configuration_of(resolved->model);
    }
    out = configurations::optimized_json(input);
    out["model_id"] = id;
    out["version"] = version ? json(*version) : json(nullptr);
    out["source"] = version ? "stored" : "farm";
    out["notes"].push_back("without a server there is no monitor to ask");
    return std::nullopt;
  }

private:
  static result<std::optional<present_configuration>> find(const std::shared_ptr<storage::store>& store,
                                                           const std::string& id) {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    return storage::find_configuration(*view, id);
  }

  static std::optional<stored_configuration> version_of(const std::optional<present_configuration>& present) {
    return present ? std::optional{present->value} : std::nullopt;
  }

  static std::optional<std::string> text_of(const std::optional<present_configuration>& present) {
    return present ? std::optional{present->text} : std::nullopt;
  }

  static configurations::change_author author() { return {user_id{local_author}, wall_now()}; }

  result<std::vector<stored_configuration>> read_all() const {
    auto store = open_store_read_only(*settings_);
    if (!store) {
      if (store.error().code == errc::not_found)
        return std::vector<stored_configuration>{};
      return store.error();
    }
    auto view = storage::snapshot::open(*store);
    if (!view)
      return view.error();
    return storage::list_configurations(*view);
  }

  result<std::vector<std::string>> check(const config::read_model& read) const {
    if (read.configuration.size() > configurations::most_configuration_bytes)
      return fault{errc::too_large,
                   "the configuration is larger than "
                       + std::to_string(configurations::most_configuration_bytes) + " bytes",
                   "configuration",
                   {}};
    auto notes = check_configuration(*settings_, read.id, read.configuration, {});
    if (notes)
      notes->insert(notes->begin(), read.notes.begin(), read.notes.end());
    return notes;
  }

  const std::shared_ptr<const config::settings> settings_;
};

} // namespace

std::unique_ptr<config_backend> make_local_configs(std::shared_ptr<const config::settings> settings) {
  return std::make_unique<local_configs>(std::move(settings));
}

} // namespace assay::cli
