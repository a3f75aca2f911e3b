-- Health of ZoomApps and ZoomInstallations for Argo CD: resource.customizations.health.zoom-operator.io_ZoomApp and
-- _ZoomInstallation in the ConfigMap argocd-cm. It says what kstatus says.
local health = {status = "Progressing", message = "The operator has not looked at it yet."}
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end
local stalled, ready
for _, condition in ipairs(status.conditions) do
  if condition.type == "Stalled" and condition.status == "True" then
    stalled = condition
  elseif condition.type == "Ready" then
    ready = condition
  end
end
if stalled ~= nil then
  return {status = "Degraded", message = stalled.message}
end
if ready ~= nil then
  health.message = ready.message
  if ready.status == "True" then
    health.status = "Healthy"
  elseif ready.reason == "Invited" or ready.reason == "Suspended" then
    -- As it was declared: a customer may take weeks, and an admin ends spec.suspend.
    health.status = "Suspended"
  end
end
return health
