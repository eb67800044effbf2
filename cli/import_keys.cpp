#include "cli/import_keys.hpp"

#include "cli/api_client.hpp"
#include "cli/datapresso_key.hpp"
#include "cli/files.hpp"
#include "cli/key_changes.hpp"
#include "cli/load_settings.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace assay::cli {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* password_variable = "ASSAY_DATAPRESSO_PASSWORD";
constexpr size_t longest_file = size_t{64} << 10;
constexpr size_t most_files = 1000;

/// A key of the old files, opened.
struct old_key {
  storage::stored_key about;
  secret value;
};

result<fs::path> where_to_look(const datapresso_import& wish) {
  if (!wish.path.empty())
    return fs::path(wish.path);
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0')
    return fault{errc::invalid_argument, "there is no HOME to look for Datapresso's keys in", "PATH",
                 "name the file or the folder"};
  return fs::path(home) / ".datapresso" / "api_keys";
}

/// @returns the files with keys, in the order of their names.
result<std::vector<fs::path>> files_at(const fs::path& place) {
  std::error_code error;
  if (fs::is_regular_file(place, error))
    return std::vector{place};
  if (!fs::is_directory(place, error))
    return fault{errc::not_found, "there is no such file or folder", place.string(),
                 "name a file NAME.encrypted, or the folder of them"};
  std::vector<fs::path> out;
  for (auto it = fs::directory_iterator(place, error); !error && it != fs::directory_iterator();
       it.increment(error))
    if (it->path().extension() == ".encrypted" && out.size() < most_files)
      out.push_back(it->path());
  if (error)
    return fault{errc::invalid_argument, "the folder cannot be read: " + error.message(), place.string(), {}};
  if (out.empty())
    return fault{errc::not_found, "the folder holds no keys", place.string(),
                 "Datapresso's are called NAME.encrypted"};
  std::ranges::sort(out);
  return out;
}

result<secret> old_password() {
  if (const char* given = std::getenv(password_variable); given != nullptr && *given != '\0')
    return secret{given};
  auto typed = read_secret("password of the Datapresso keys (it is not shown): ");
  if (!typed)
    return fault{errc::unauthenticated,
                 "there is no terminal to ask for the password of the Datapresso keys on",
                 {},
                 "set " + std::string(password_variable)};
  return typed;
}

result<old_key> open_file(const config::settings& settings, const fs::path& file, const std::string& provider,
                          const secret& password) {
  // The name must be that of the key inside, unless somebody says whose it is.
  const auto service = provider.empty() ? file.stem().string() : std::string{};
  auto about = key_of_provider(settings, provider.empty() ? service : provider);
  if (!about) {
    auto reason = about.error();
    reason.message = file.string() + ": " + reason.message;
    return reason;
  }
  const auto token = read_file(file, longest_file);
  if (!token)
    return token.error();
  auto beside = file;
  const auto salt = read_file(beside.replace_extension(".salt"), longest_file);
  if (!salt)
    return salt.error();
  auto key = open_datapresso_key(service, *token, *salt, password);
  if (!key) {
    auto reason = key.error();
    reason.where = file.string();
    return reason;
  }
  return old_key{std::move(*about), std::move(*key)};
}

bool is_stored(const std::vector<storage::stored_key>& known, const storage::stored_key& about) {
  return std::ranges::any_of(known, [&](const auto& one) {
    return one.provider == about.provider && one.fingerprint == about.fingerprint;
  });
}

/// Seals those keys that are not there yet. @param known gets them as well.
/// @returns what was added.
result<std::vector<storage::stored_key>> seal(std::vector<old_key>& keys, const storage::key_vault& vault,
                                              std::vector<storage::stored_key>& known,
                                              storage::write_batch& batch) {
  std::vector<storage::stored_key> out;
  for (auto& key : keys) {
    key.about.name = free_key_name(known, key.about.provider, "datapresso");
    // Only the vault knows fingerprints, so a key is sealed before it is known to be there.
    storage::write_batch trial;
    if (auto sealed = vault.add(key.about, key.value, trial); !sealed)
      return sealed.error();
    if (is_stored(known, key.about))
      continue;
    if (auto sealed = vault.add(key.about, key.value, batch); !sealed)
      return sealed.error();
    known.push_back(key.about);
    out.push_back(key.about);
  }
  return out;
}

void tell(const command_context& context, const std::vector<storage::stored_key>& added, size_t read) {
  if (context.flags.json) {
    auto list = json::array();
    for (const auto& key : added)
      list.push_back(to_json_shape(key));
    print(json{{"keys", std::move(list)}, {"already_stored", read - added.size()}}.dump(
              2, ' ', false, json::error_handler_t::replace)
          + "\n");
    return;
  }
  for (const auto& key : added)
    print("stored key " + key.name + " of " + key.provider.value + ", fingerprint " + key.fingerprint
          + ", only ever sent to " + key.origin + "\n");
  if (added.size() < read)
    remark(context, std::to_string(read - added.size()) + " of them stored already");
}

} // namespace

exit_code import_datapresso_keys(command_context& context, const datapresso_import& wish) {
  const auto place = where_to_look(wish);
  if (!place)
    return report(context, place.error());
  const auto files = files_at(*place);
  if (!files)
    return report(context, files.error());
  if (!wish.provider.empty() && files->size() > 1)
    return report(context, {errc::invalid_argument, "several files cannot all be keys of " + wish.provider,
                            "--provider", "name one file"});
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto password = old_password();
  if (!password)
    return report(context, password.error());
  std::vector<old_key> keys;
  for (const auto& file : *files) {
    auto key = open_file(*settings, file, wish.provider, *password);
    if (!key)
      return report(context, key.error());
    keys.push_back(std::move(*key));
  }
  const auto store = open_for_change(*settings);
  if (!store)
    return report(context, store.error());
  auto known = storage::list_keys(store->data);
  if (!known)
    return report(context, known.error());
  storage::write_batch batch;
  const auto vault = open_or_create(store->data, batch);
  if (!vault)
    return report(context, vault.error());
  const auto added = seal(keys, *vault, *known, batch);
  if (!added)
    return report(context, added.error());
  if (!added->empty())
    if (auto refused = write_to(*store, std::move(batch)))
      return report(context, *refused);
  for (const auto& key : *added)
    warn_of_listeners(context, key);
  tell(context, *added, keys.size());
  if (!added->empty())
    say_how_to_take_up(context, *settings, *store);
  return exit_code::ok;
}

} // namespace assay::cli
