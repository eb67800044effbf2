#include "cli/live_settings.hpp"

#include "cli/load_settings.hpp"
#include "cli/logging.hpp"
#include "config/load.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

namespace assay::cli {

namespace {

using nlohmann::json;

bool is_live(const std::string& key) { return key.starts_with("logging."); }

/// Where values came from is no setting.
bool is_setting(const std::string& key) {
  return !key.starts_with("warnings") && !key.starts_with("sources");
}

/// Goes down to the values; a list counts as one.
void collect(const json& before, const json& after, const std::string& key, std::set<std::string>& out) {
  if (before == after)
    return;
  if (!before.is_object() || !after.is_object()) {
    out.insert(key);
    return;
  }
  const auto below = [&](const std::string& name) { return key.empty() ? name : key + "." + name; };
  for (const auto& [name, value] : before.items())
    collect(value, after.value(name, json()), below(name), out);
  for (const auto& [name, value] : after.items())
    if (!before.contains(name))
      collect(json(), value, below(name), out);
}

/// Keys are shown as ***, so that a new one looks like the old one.
void collect_secrets(const config::settings& before, const config::settings& after,
                     std::set<std::string>& out) {
  for (const auto& provider : after.providers)
    for (const auto& old : before.providers)
      if (old.id == provider.id && old.key != provider.key)
        out.insert("providers." + provider.id.value + ".api_key");
  const auto compare = [&](const secret& old, const secret& fresh, const char* key) {
    if (old != fresh)
      out.insert(key);
  };
  compare(before.auth.admin_password, after.auth.admin_password, "auth.admin_password");
  compare(before.network.https_proxy, after.network.https_proxy, "network.https_proxy");
  compare(before.network.http_proxy, after.network.http_proxy, "network.http_proxy");
}

} // namespace

std::vector<std::string> changed_settings(const config::settings& before, const config::settings& after) {
  std::set<std::string> changed;
  collect(config::dump(before), config::dump(after), {}, changed);
  collect_secrets(before, after, changed);
  std::vector<std::string> out(changed.begin(), changed.end());
  std::erase_if(out, [](const std::string& key) { return !is_setting(key); });
  return out;
}

live_settings::live_settings(const command_context& context, std::shared_ptr<const config::settings> started,
                             key_reader take_up_keys)
    : context_(context), started_(std::move(started)), take_up_keys_(std::move(take_up_keys)),
      present_(started_) {}

result<server::reload_report> live_settings::reload() {
  const std::lock_guard turn{mutex_};
  auto loaded = load_settings(context_, ignored_values::are_logged);
  if (!loaded) {
    spdlog::error("server keeps its configuration reason=\"{}\"", to_string(loaded.error()));
    return loaded.error();
  }
  auto next = std::make_shared<const config::settings>(std::move(*loaded));
  server::reload_report out;
  out.applied = changed_settings(*present_, *next);
  std::erase_if(out.applied, [](const std::string& key) { return !is_live(key); });
  out.needs_restart = changed_settings(*started_, *next);
  std::erase_if(out.needs_restart, is_live);
  if (!out.applied.empty())
    if (auto logging = start_logging(context_, *next); !logging) {
      spdlog::error("server keeps its log reason=\"{}\"", to_string(logging.error()));
      return logging.error();
    }
  present_ = std::move(next);
  if (auto keys = take_up_keys_()) {
    out.applied.insert(out.applied.end(), keys->begin(), keys->end());
  } else {
    spdlog::error("server keeps its keys reason=\"{}\"", to_string(keys.error()));
    return keys.error();
  }
  for (const auto& key : out.applied)
    spdlog::info("server took up a setting key={}", key);
  for (const auto& key : out.needs_restart)
    spdlog::warn("server needs a restart to take up a setting key={}", key);
  if (out.applied.empty() && out.needs_restart.empty())
    spdlog::info("server read its configuration again and found nothing new");
  return out;
}

} // namespace assay::cli
