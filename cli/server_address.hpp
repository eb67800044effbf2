#pragma once

#include "config/settings.hpp"

#include <filesystem>
#include <optional>
#include <string>

/// Where the server of a data folder listens. It leaves its address there, so that commands find it whatever
/// port it was started with.
namespace assay::cli {

/// @returns the address under which this machine reaches a server that listens as the settings say.
std::string reachable_url(const config::server_settings& settings, uint16_t port);

/// Holds the address in the folder and takes it away at the end of its life.
class left_address {
public:
  /// What cannot be written is logged: commands then need --url.
  left_address(const std::filesystem::path& folder, const std::string& url);
  ~left_address();
  left_address(const left_address&) = delete;
  left_address& operator=(const left_address&) = delete;

private:
  const std::filesystem::path file_;
};

/// @returns the address that the process left that has the folder now; nothing when none has it, or it is no
/// server. What a killed server left behind does not count.
std::optional<std::string> find_address(const std::filesystem::path& folder);

} // namespace assay::cli
