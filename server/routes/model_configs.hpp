#pragma once

#include "config/stored_models.hpp"
#include "core/configurations/stored_configuration.hpp"
#include "protocol/messages/journal.hpp"
#include "server/request_context.hpp"
#include "server/router.hpp"
#include "storage/model_configurations.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

/// The parts of the family /model-configs.
namespace assay::server {

void add_model_configuration_schemas(schema_set& schemas);
void add_model_configuration_files(route_table& table); ///< /model-configs/import and /export
void add_model_optimization_routes(route_table& table); ///< /model-configs/{id}/optimized

namespace model_configs_detail {

/// Others may change the same configuration in between; then it is read again, so often.
inline constexpr int most_tries = 4;

fault unknown_configuration(const std::string& id);
fault changed_by_others();

result<std::optional<storage::present_configuration>> read_present(const request_context& context,
                                                                   const std::string& id);
bool is_there(const std::optional<storage::present_configuration>& present);
std::optional<configurations::stored_configuration>
version_of(const std::optional<storage::present_configuration>& present);

/// A configuration that may be stored, with what its author should know.
struct wanted_configuration {
  std::string id;
  std::string configuration;
  std::vector<std::string> notes;
};

/// Checks it against the farm, on a reader thread.
boost::asio::awaitable<result<wanted_configuration>> check_against_farm(request_context& context,
                                                                        config::read_model read);

/// Adds what makes @p next the present version.
void add_rows(std::vector<document_change>& out, const configurations::stored_configuration& next,
              const std::optional<std::string>& present);
configurations::change_author author_of(const request_context& context);

/// @returns conflict when there is no room for one more.
boost::asio::awaitable<result<void>> check_room(request_context& context);

route declared(http_method method, const char* path, permission needs, const char* summary,
               const char* schema, route_handler handler);

} // namespace model_configs_detail

} // namespace assay::server
