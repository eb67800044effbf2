#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/local_users.hpp"
#include "cli/parse.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <memory>

namespace assay::cli {

namespace {

using nlohmann::json;

struct user_flags {
  api_flags api;
  std::string name;
  std::vector<std::string> roles;
  bool enable = false;
};

/// Where users are kept: behind a running server, or in the data folder when none runs.
class user_backend {
public:
  virtual ~user_backend() = default;
  virtual std::optional<fault> list(json& out) = 0;
  virtual std::optional<fault> add(const std::string& name, const secret& password,
                                   const std::vector<std::string>& roles, json& out) = 0;
  virtual std::optional<fault> set_password(const std::string& name, const secret& password) = 0;
  virtual std::optional<fault> set_roles(const std::string& name, const std::vector<std::string>& roles,
                                         json& out) = 0;
  virtual std::optional<fault> set_disabled(const std::string& name, bool disabled, json& out) = 0;
  virtual std::optional<fault> erase(const std::string& name) = 0;
};

class remote_users final : public user_backend {
public:
  explicit remote_users(api_client api) : api_(std::move(api)) {}

  std::optional<fault> list(json& out) override {
    json answer;
    auto refused = api_.ask("GET", "/users", nullptr, answer);
    if (!refused)
      out = answer.value("items", json::array());
    return refused;
  }
  std::optional<fault> add(const std::string& name, const secret& password,
                           const std::vector<std::string>& roles, json& out) override {
    return api_.ask("POST", "/users", {{"username", name}, {"password", password.reveal()}, {"roles", roles}},
                    out);
  }
  std::optional<fault> set_password(const std::string& name, const secret& password) override {
    json ignored;
    return api_.ask("POST", "/users/" + name + "/password", {{"new_password", password.reveal()}}, ignored);
  }
  std::optional<fault> set_roles(const std::string& name, const std::vector<std::string>& roles,
                                 json& out) override {
    return api_.ask("PATCH", "/users/" + name, {{"roles", roles}}, out);
  }
  std::optional<fault> set_disabled(const std::string& name, bool disabled, json& out) override {
    return api_.ask("PATCH", "/users/" + name, {{"disabled", disabled}}, out);
  }
  std::optional<fault> erase(const std::string& name) override {
    json ignored;
    return api_.ask("DELETE", "/users/" + name, nullptr, ignored);
  }

private:
  const api_client api_;
};

class folder_users final : public user_backend {
public:
  explicit folder_users(local_users users) : users_(std::move(users)) {}

  std::optional<fault> list(json& out) override { return users_.list(out); }
  std::optional<fault> add(const std::string& name, const secret& password,
                           const std::vector<std::string>& roles, json& out) override {
    return users_.add(name, password, roles, out);
  }
  std::optional<fault> set_password(const std::string& name, const secret& password) override {
    return users_.set_password(name, password);
  }
  std::optional<fault> set_roles(const std::string& name, const std::vector<std::string>& roles,
                                 json& out) override {
    return users_.set_roles(name, roles, out);
  }
  std::optional<fault> set_disabled(const std::string& name, bool disabled, json& out) override {
    return users_.set_disabled(name, disabled, out);
  }
  std::optional<fault> erase(const std::string& name) override { return users_.erase(name); }

private:
  local_users users_;
};

result<std::unique_ptr<user_backend>> open_backend(const command_context& context, const user_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return settings.error();
  if (means_server(*settings, flags.api)) {
    auto api = api_client::connect(*settings, flags.api);
    if (!api)
      return api.error();
    return std::unique_ptr<user_backend>(std::make_unique<remote_users>(std::move(*api)));
  }
  auto users = local_users::open(store_options_of(*settings));
  if (!users)
    return users.error();
  return std::unique_ptr<user_backend>(std::make_unique<folder_users>(std::move(*users)));
}

/// The new password: from ASSAY_NEW_PASSWORD, else typed twice.
result<secret> new_password(const std::string& name) {
  if (const char* given = std::getenv("ASSAY_NEW_PASSWORD"); given != nullptr && *given != '\0')
    return secret{given};
  auto first = read_secret("new password of " + name + ": ");
  if (!first)
    return fault{errc::invalid_argument,
                 "there is no terminal to ask for the new password on",
                 {},
                 "set ASSAY_NEW_PASSWORD"};
  const auto again = read_secret("once more: ");
  if (!again || *again != *first)
    return fault{errc::invalid_argument, "the two passwords differ", {}, "try again"};
  return first;
}

std::string names_of(const json& roles) {
  std::string out;
  for (const auto& role : roles)
    out += (out.empty() ? "" : ", ") + role.get<std::string>();
  return out;
}

exit_code list_users(command_context& context, const user_flags& flags) {
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json users;
  if (auto refused = (*backend)->list(users))
    return report(context, *refused);
  if (context.flags.json) {
    print(json{{"users", users}}.dump(2) + "\n");
    return exit_code::ok;
  }
  table rows({{"user", align::left, squeeze::whole}, {"roles"}, {"state"}, {"created"}});
  for (const auto& user : users)
    rows.add({user.value("username", ""), names_of(user.value("roles", json::array())),
              user.value("disabled", false) ? "disabled" : "active", user.value("created_at", "")});
  print(rows.render(context.out));
  return exit_code::ok;
}

exit_code add_user(command_context& context, const user_flags& flags) {
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  const auto password = new_password(flags.name);
  if (!password)
    return report(context, password.error());
  auto roles = split_lists(flags.roles);
  if (roles.empty())
    roles = {"viewer"};
  json user;
  if (auto refused = (*backend)->add(flags.name, *password, roles, user))
    return report(context, *refused);
  print(context.flags.json ? user.dump(2) + "\n"
                           : "added " + flags.name + " as " + names_of(json(roles)) + "\n");
  return exit_code::ok;
}

exit_code set_password(command_context& context, const user_flags& flags) {
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  const auto password = new_password(flags.name);
  if (!password)
    return report(context, password.error());
  if (auto refused = (*backend)->set_password(flags.name, *password))
    return report(context, *refused);
  remark(context, "changed; all sessions of " + flags.name + " have ended");
  return exit_code::ok;
}

exit_code set_roles(command_context& context, const user_flags& flags) {
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  const auto roles = split_lists(flags.roles);
  json user;
  if (auto refused = (*backend)->set_roles(flags.name, roles, user))
    return report(context, *refused);
  print(context.flags.json ? user.dump(2) + "\n" : flags.name + " is " + names_of(json(roles)) + " now\n");
  return exit_code::ok;
}

exit_code set_disabled(command_context& context, const user_flags& flags) {
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  json user;
  if (auto refused = (*backend)->set_disabled(flags.name, !flags.enable, user))
    return report(context, *refused);
  remark(context, flags.name + (flags.enable ? " may sign in again" : " cannot sign in any more"));
  return exit_code::ok;
}

exit_code delete_user(command_context& context, const user_flags& flags) {
  auto backend = open_backend(context, flags);
  if (!backend)
    return report(context, backend.error());
  if (auto refused = (*backend)->erase(flags.name))
    return report(context, *refused);
  remark(context, "deleted " + flags.name);
  return exit_code::ok;
}

using user_action = exit_code (*)(command_context&, const user_flags&);

CLI::App* declare(CLI::App& parent, command_context& context, const std::shared_ptr<user_flags>& flags,
                  const char* name, const char* text, const char* lines, user_action action,
                  bool named = true) {
  auto* sub = parent.add_subcommand(name, text);
  if (named)
    sub->add_option("NAME", flags->name, "The user")->required();
  add_api_flags(*sub, flags->api);
  examples(*sub, lines);
  sub->callback([&context, flags, action] {
    context.action = [flags, action](command_context& c) { return action(c, *flags); };
  });
  return sub;
}

} // namespace

void add_users_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<user_flags>();
  auto* sub = app.add_subcommand(
      "users", "Manage who may use the API: through a running server, or in the data folder");
  sub->require_subcommand(0, 1);
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay users\n  assay users add alice --role evaluator\n  assay users passwd alice\n"
                 "  assay users disable alice\n  assay users keys add alice --name laptop\n");
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) { return list_users(c, *flags); };
  });
  declare(*sub, context, flags, "list", "All users", "  assay users list --json\n", list_users, false);
  auto* add =
      declare(*sub, context, flags, "add", "Add a user; the password is asked for, or ASSAY_NEW_PASSWORD",
              "  assay users add alice --role evaluator\n", add_user);
  repeatable(*add, "--role,--roles", flags->roles, "admin, evaluator or viewer; default viewer");
  auto* role = declare(
      *sub, context, flags, "role", "Give a user other roles; ends all sessions of the user",
      "  assay users role alice --role viewer\n  assay users role bob --role admin,evaluator\n", set_roles);
  repeatable(*role, "--role,--roles", flags->roles,
             "admin, evaluator or viewer; all that the user shall have")
      ->required();
  declare(*sub, context, flags, "passwd", "Set a password; ends all sessions of the user",
          "  assay users passwd alice\n", set_password);
  auto* disable = declare(*sub, context, flags, "disable", "Keep a user from signing in",
                          "  assay users disable alice\n  assay users disable alice --undo\n", set_disabled);
  disable->add_flag("--undo", flags->enable, "Let the user sign in again");
  declare(*sub, context, flags, "delete", "Delete a user; the user's runs stay",
          "  assay users delete alice\n", delete_user);
  add_user_keys_command(*sub, context);
}

} // namespace assay::cli
