#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/local_users.hpp"
#include "cli/parse.hpp"
#include "core/values/ids.hpp"
#include "core/values/money.hpp"
#include "server/auth/api_keys.hpp"

#include <nlohmann/json.hpp>

#include <memory>

namespace assay::cli {

namespace {

using nlohmann::json;

struct user_key_flags {
  api_flags api;
  std::string user;
  std::string id;
  std::string name;
  std::vector<std::string> permissions;
  uint64_t requests_per_minute = 0;
  uint64_t tokens_per_minute = 0;
  double budget_per_day = -1; ///< Negative: none was given.
  std::string expires_in;
};

/// Where keys are kept: behind a running server, or in the data folder when none runs.
class key_backend {
public:
  virtual ~key_backend() = default;
  /// @param user Empty: the keys of everybody.
  virtual std::optional<fault> list(const std::string& user, json& out) = 0;
  virtual std::optional<fault> add(const std::string& user, json fields, json& out) = 0;
  virtual std::optional<fault> remove(const std::string& id) = 0;
};

class remote_keys final : public key_backend {
public:
  explicit remote_keys(api_client api) : api_(std::move(api)) {}

  std::optional<fault> list(const std::string& user, json& out) override {
    json answer;
    auto refused = api_.ask("GET", "/auth/keys?user=" + (user.empty() ? "*" : user), nullptr, answer);
    if (!refused)
      out = answer.value("items", json::array());
    return refused;
  }
  std::optional<fault> add(const std::string& user, json fields, json& out) override {
    fields["user"] = user;
    return api_.ask("POST", "/auth/keys", fields, out);
  }
  std::optional<fault> remove(const std::string& id) override {
    json ignored;
    return api_.ask("DELETE", "/auth/keys/" + id, nullptr, ignored);
  }

private:
  const api_client api_;
};

class folder_keys final : public key_backend {
public:
  explicit folder_keys(local_users users) : users_(std::move(users)) {}

  std::optional<fault> list(const std::string& user, json& out) override {
    return users_.list_keys(user, out);
  }
  std::optional<fault> add(const std::string& user, json fields, json& out) override {
    return users_.add_key(user, fields, out);
  }
  std::optional<fault> remove(const std::string& id) override { return users_.remove_key(id); }

private:
  local_users users_;
};

result<std::unique_ptr<key_backend>> open_backend(const command_context& context,
                                                  const user_key_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return settings.error();
  if (means_server(*settings, flags.api)) {
    auto api = api_client::connect(*settings, flags.api);
    if (!api)
      return api.error();
    return std::unique_ptr<key_backend>(std::make_unique<remote_keys>(std::move(*api)));
  }
  auto users = local_users::open(store_options_of(*settings));
  if (!users)
    return users.error();
  return std::unique_ptr<key_backend>(std::make_unique<folder_keys>(std::move(*users)));
}

/// Names go into addresses, and none that is of another form exists.
std::optional<fault> check_user(const std::string& name) {
  if (name.empty() || is_caller_id(name))
    return std::nullopt;
  return fault{errc::not_found, "there is no user '" + name + "'", {}, "`assay users` lists them"};
}

/// What the flags of `add` say, as the API takes it. An out parameter, since json converts from values and
/// faults alike.
std::optional<fault> fields_of(const user_key_flags& flags, json& out) {
  out = {{"name", flags.name}};
  if (const auto names = split_lists(flags.permissions); !names.empty())
    out["permissions"] = names;
  if (flags.requests_per_minute != 0)
    out["requests_per_minute"] = flags.requests_per_minute;
  if (flags.tokens_per_minute != 0)
    out["tokens_per_minute"] = flags.tokens_per_minute;
  if (flags.budget_per_day >= 0)
    out["budget_per_day"] = flags.budget_per_day;
  if (!flags.expires_in.empty()) {
    const auto time = parse_duration(flags.expires_in);
    if (!time)
      return fault{errc::invalid_argument, time.error().message, "--expires-in", "write it like 30d or 12h"};
    out["expires_at"] = to_rfc3339(wall_now() + *time);
  }
  return std::nullopt;
}

std::string or_dash(const json& value) {
  if (value.is_null())
    return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string limits_of(const json& key) {
  std::string out;
  const auto add = [&](const char* field, const char* unit, auto show) {
    if (const auto it = key.find(field); it != key.end() && it->is_number())
      out += (out.empty() ? "" : ", ") + show(*it) + unit;
  };
  const auto count = [](const json& value) { return show_count(value.get<uint64_t>()); };
  add("requests_per_minute", " requests/min", count);
  add("tokens_per_minute", " tokens/min", count);
  add("budget_per_day", "/day",
      [](const json& value) { return to_string(from_dollars(value.get<double>())); });
  return out.empty() ? "-" : out;
}

std::string permissions_of(const json& key) {
  const auto it = key.find("permissions");
  if (it == key.end() || !it->is_array())
    return "all of the user";
  std::string out;
  for (const auto& name : *it)
    out += (out.empty() ? "" : ", ") + name.get<std::string>();
  return out;
}

exit_code list_keys(command_context& context, const user_key_flags& flags) {
  if (auto refused = check_user(flags.user))
    return report(context, *refused);
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json keys;
  if (auto refused = (*backend)->list(flags.user, keys))
    return report(context, *refused);
  if (context.flags.json) {
    print(json{{"keys", keys}}.dump(2) + "\n");
    return exit_code::ok;
  }
  table rows(
      {{"id"}, {"user"}, {"name"}, {"state"}, {"last used"}, {"expires"}, {"limits"}, {"permissions"}});
  for (const auto& key : keys)
    rows.add({key.value("id", ""), key.value("user", ""), on_one_line(key.value("name", "")),
              key.value("disabled", false)  ? "disabled"
              : key.value("expired", false) ? "expired"
                                            : "active",
              or_dash(key.value("last_used_at", json{})), or_dash(key.value("expires_at", json{})),
              limits_of(key), permissions_of(key)});
  print(rows.render(context.out));
  return exit_code::ok;
}

exit_code add_key(command_context& context, const user_key_flags& flags) {
  json fields;
  if (auto refused = fields_of(flags, fields))
    return report(context, *refused);
  if (auto refused = check_user(flags.user))
    return report(context, *refused);
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json made;
  if (auto refused = (*backend)->add(flags.user, std::move(fields), made))
    return report(context, *refused);
  print(context.flags.json ? made.dump(2) + "\n" : made.value("key", "") + "\n");
  remark(context, "the key " + made.value("id", "") + " of " + flags.user
                      + "; it is shown only this once, and kept as a hash");
  return exit_code::ok;
}

exit_code remove_key(command_context& context, const user_key_flags& flags) {
  // Before anybody is asked: a whole key has no place in an address or a message.
  if (!is_caller_id(flags.id) || server::looks_like_api_key(flags.id))
    return report(context, server::unknown_api_key(flags.id));
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  if (auto refused = (*backend)->remove(flags.id))
    return report(context, *refused);
  remark(context, "removed the key " + flags.id + "; it is refused from now on");
  return exit_code::ok;
}

using key_action = exit_code (*)(command_context&, const user_key_flags&);

CLI::App* declare(CLI::App& parent, command_context& context, const std::shared_ptr<user_key_flags>& flags,
                  const char* name, const char* text, const char* lines, key_action action) {
  auto* sub = parent.add_subcommand(name, text);
  add_api_flags(*sub, flags->api);
  examples(*sub, lines);
  sub->callback([&context, flags, action] {
    context.action = [flags, action](command_context& c) { return action(c, *flags); };
  });
  return sub;
}

} // namespace

void add_user_keys_command(CLI::App& users, command_context& context) {
  const auto flags = std::make_shared<user_key_flags>();
  auto* sub = users.add_subcommand("keys", "API keys of users: what programs sign in with");
  sub->require_subcommand(0, 1);
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay users keys\n  assay users keys add alice --name laptop\n"
                 "  assay users keys remove 0123456789ab\n");
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) { return list_keys(c, *flags); };
  });

  auto* list = declare(*sub, context, flags, "list", "The keys of a user, or of everybody",
                       "  assay users keys list alice\n  assay users keys list --json\n", list_keys);
  list->add_option("NAME", flags->user, "The user; default: everybody");

  auto* add = declare(*sub, context, flags, "add", "Make a key and show it, once",
                      "  assay users keys add alice --name laptop\n"
                      "  assay users keys add alice --name nightly --expires-in 90d --budget-per-day 5 \\\n"
                      "    --permission evaluation:create,evaluation:read --requests-per-minute 60\n",
                      add_key);
  add->add_option("NAME", flags->user, "The user")->required();
  add->add_option("--name", flags->name, "Where the key is used")->required();
  repeatable(*add, "--permission,--permissions", flags->permissions,
             "What the key may do at most, like evaluation:read; default: all that the user may");
  add->add_option("--expires-in", flags->expires_in, "How long the key is good, like 90d; default: no end");
  add->add_option("--requests-per-minute", flags->requests_per_minute, "Answered with 429 beyond")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}));
  add->add_option("--tokens-per-minute", flags->tokens_per_minute,
                  "Tokens of models; answered with 429 beyond")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}));
  add->add_option("--budget-per-day", flags->budget_per_day, "Dollars a day, in UTC")
      ->check(CLI::Range(0.0, 1e9));

  auto* remove = declare(*sub, context, flags, "remove", "Remove a key; it is refused from then on",
                         "  assay users keys remove 0123456789ab\n", remove_key);
  remove->add_option("ID", flags->id, "The key's id, the part after sk-assay-")->required();
}

} // namespace assay::cli
