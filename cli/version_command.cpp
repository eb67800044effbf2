#include "cli/arguments.hpp"
#include "cli/commands.hpp"

#include <boost/version.hpp>
#include <caf/config.hpp>
#include <nlohmann/json.hpp>

namespace assay::cli {

namespace {

exit_code show_version(command_context& context) {
  const auto caf = std::to_string(CAF_VERSION / 10000) + "." + std::to_string(CAF_VERSION / 100 % 100) + "."
                   + std::to_string(CAF_VERSION % 100);
  const auto boost = std::to_string(BOOST_VERSION / 100000) + "." + std::to_string(BOOST_VERSION / 100 % 1000)
                     + "." + std::to_string(BOOST_VERSION % 100);
  if (context.flags.json)
    print(
        nlohmann::json{{"version", ASSAY_VERSION}, {"caf", caf}, {"boost", boost}, {"compiler", __VERSION__}}
            .dump(2)
        + "\n");
  else
    print("assay " ASSAY_VERSION " (CAF " + caf + ", Boost " + boost + ", g++ " __VERSION__ ")\n");
  return exit_code::ok;
}

} // namespace

void add_version_command(CLI::App& app, command_context& context) {
  auto* sub = app.add_subcommand("version", "Show the version and what it was built with");
  examples(*sub, "  assay version\n  assay version --json\n");
  sub->callback([&context] { context.action = show_version; });
}

} // namespace assay::cli
