// Asks an IAM simulator that nobody here wrote. Standard input: { policies, resourcePolicy, requests: [{ action, resource,
// context, principal }] }. Standard output: for each request { result, allow, deny } with the statements that decided.
// A request that the simulator does not understand (an action that AWS has not, say) is an error.
import { readFileSync } from 'node:fs';
import { anonymousPrincipal, runSimulation } from '@cloud-copilot/iam-simulate';

const ACCOUNT = '123456789012';
const { policies, resourcePolicy, requests } = JSON.parse(readFileSync(0, 'utf8'));
const names = (statements) => (statements ?? []).map((statement) => statement.explain.identifier);

const answers = [];
for (const { action, resource, context, anonymous } of requests) {
  const simulation = {
    identityPolicies: anonymous ? [] : policies.map((policy, number) => ({ name: `policy ${number}`, policy })),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy,
    request: {
      action,
      principal: anonymous ? anonymousPrincipal : `arn:aws:iam::${ACCOUNT}:role/quorate-controller`,
      resource: { resource, accountId: ACCOUNT },
      contextVariables: context,
    },
  };
  const answer = await runSimulation(simulation, {});
  if (answer.resultType === 'error') {
    throw new Error(`${action} ${resource} ${JSON.stringify(context)}: ${JSON.stringify(answer.errors)}`);
  }
  const analysis = answer.result?.analysis;
  answers.push({
    result: answer.overallResult,
    allow: [...names(analysis?.identityAnalysis?.allowStatements), ...names(analysis?.resourceAnalysis?.allowStatements)],
    deny: [...names(analysis?.identityAnalysis?.denyStatements), ...names(analysis?.resourceAnalysis?.denyStatements)],
  });
}
process.stdout.write(JSON.stringify(answers));
