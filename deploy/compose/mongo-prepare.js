/* global db, rs, sleep */
// Run by mongosh inside the container, on every start. Throws until all of it is true:
// the set is initiated, this member is primary, and root and magpie have the passwords of the environment.
const { MAGPIE_MONGO_ROOT_PASSWORD: rootPassword, MAGPIE_MONGO_PASSWORD: password } = process.env;
const admin = db.getSiblingDB('admin');

// Without any user, a connection from the same host may do just this: initiate, and make the first one.
const isMember = () => admin.hello().setName !== undefined;
if (!isMember()) rs.initiate({ _id: 'rs0', members: [{ _id: 0, host: 'mongo:27017' }] });
for (let i = 0; i < 100 && !admin.hello().isWritablePrimary; i++) sleep(100);

try {
  admin.auth('root', rootPassword);
} catch {
  // If there is a root already, this throws and says so: the password isn't the one that the data was made with.
  admin.createUser({ user: 'root', pwd: rootPassword, roles: ['root'] });
  admin.auth('root', rootPassword);
}

// How long samples are kept is an option of their collection, which readWrite alone may not change.
const retention = {
  privileges: [{ resource: { db: 'magpie', collection: 'samples' }, actions: ['collMod'] }],
  roles: [],
};
if (admin.getRole('magpieRetention') === null) admin.createRole({ role: 'magpieRetention', ...retention });
else admin.updateRole('magpieRetention', retention);

const roles = [
  { role: 'readWrite', db: 'magpie' },
  { role: 'magpieRetention', db: 'admin' },
];
if (admin.getUser('magpie') === null) admin.createUser({ user: 'magpie', pwd: password, roles });
else admin.updateUser('magpie', { pwd: password, roles });
