#include "cli/stored_models.hpp"

#include "cli/load_settings.hpp"
#include "config/models.hpp"
#include "config/stored_models.hpp"
#include "storage/model_configurations.hpp"

#include <algorithm>
#include <set>

namespace assay::cli {

namespace {

using configurations::stored_configuration;

constexpr size_t most_remembered = 256;

/// The version that runs which have pinned a deleted configuration still know.
result<std::optional<stored_configuration>> last_with_fields(storage::snapshot& view, const std::string& id,
                                                             bool deleted_too) {
  std::optional<stored_configuration> out;
  auto found = storage::find_configuration(view, id);
  if (!found)
    return found.error();
  if (!*found)
    return out;
  if (!(*found)->value.deleted) {
    out = std::move((*found)->value);
    return out;
  }
  if (!deleted_too || (*found)->value.version < 2)
    return out;
  return storage::find_configuration_version(view, id, (*found)->value.version - 1);
}

} // namespace

stored_models::stored_models(std::shared_ptr<const present<config::settings>> settings,
                             std::shared_ptr<storage::store> store)
    : settings_(std::move(settings)), store_(std::move(store)) {}

result<std::shared_ptr<const config::settings>> stored_models::settings_with(const std::string& id,
                                                                             bool deleted_too) const {
  std::shared_ptr<const config::settings> none;
  if (!configurations::check_name(id))
    return none;
  auto view = storage::snapshot::open(store_);
  if (!view)
    return view.error();
  const auto found = last_with_fields(*view, id, deleted_too);
  if (!found)
    return found.error();
  if (!*found)
    return none;
  const auto version = (*found)->version;
  const auto base = settings_->get();
  {
    const std::lock_guard guard{mutex_};
    if (const auto known = made_.find(id);
        known != made_.end() && known->second.version == version && known->second.base == base)
      return known->second.made;
  }
  auto made = config::with_stored_model(*base, id, (*found)->configuration, version);
  if (!made) {
    auto reason = made.error();
    reason.message = "the stored configuration of model '" + id + "' cannot be used: "
                     + (reason.where.empty() ? "" : reason.where + ": ") + reason.message;
    reason.where = "model_id";
    return reason;
  }
  auto out = std::make_shared<const config::settings>(std::move(*made));
  const std::lock_guard guard{mutex_};
  if (made_.size() >= most_remembered)
    made_.clear();
  made_.insert_or_assign(id, entry{version, base, out});
  return std::shared_ptr<const config::settings>(std::move(out));
}

void join_stored_models(config::settings& settings) {
  const auto store = open_store_read_only(settings);
  // What is wrong with the folder is said by whoever needs the rest of it.
  if (!store)
    return;
  auto view = storage::snapshot::open(*store);
  if (!view)
    return;
  const auto all = storage::list_configurations(*view);
  if (!all) {
    settings.warnings.push_back("the stored model configurations cannot be read: " + to_string(all.error()));
    return;
  }
  for (const auto& one : *all) {
    if (config::is_shadowed(settings, one.id))
      continue;
    auto with = config::with_stored_model(settings, one.id, one.configuration, one.version);
    if (!with) {
      settings.warnings.push_back("the stored configuration of model " + one.id
                                  + " is left out: " + to_string(with.error()));
      continue;
    }
    settings.models = std::move(with->models);
    settings.providers = std::move(with->providers);
  }
}

result<std::vector<std::string>>
check_configuration(const config::settings& settings, const std::string& id, const std::string& configuration,
                    const std::function<result<void>(const std::string& base_url)>& check_address) {
  const auto with = config::with_stored_model(settings, id, configuration, 0);
  if (!with)
    return with.error();
  if (auto known = config::check_known_provider(settings, *with, id); !known) {
    const auto* model = config::find_model(*with, model_id{std::string(id)});
    const auto* provider = model == nullptr ? nullptr : config::find_provider(*with, model->provider);
    if (provider != nullptr && check_address)
      if (auto allowed = check_address(provider->base_url); !allowed) {
        auto reason = allowed.error();
        reason.where = known.error().where;
        return reason;
      }
    return known.error();
  }
  auto out = with->warnings;
  if (config::is_shadowed(settings, id))
    out.push_back("the farm's own configuration has a model of this name, which goes before this one: "
                  "evaluations do not see it");
  const auto* model = config::find_model(*with, model_id{std::string(id)});
  if (const auto* provider = config::find_provider(*with, model->provider))
    if (const auto usable = config::check_usable(*provider); !usable)
      out.push_back(usable.error().message + ", so evaluations are refused: " + usable.error().hint);
  return out;
}

} // namespace assay::cli
