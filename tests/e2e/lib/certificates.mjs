// A certificate authority of the test's own, with a server's and a client's certificate.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { temporaryFolder } from "./process.mjs";

const openssl = (...args) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });

export function certificates(t) {
  const folder = temporaryFolder(t);
  const file = (name) => `${folder}/${name}`;
  const key = (name) => openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file(`${name}.key`));
  const authority = (name) => {
    key(name);
    openssl("req", "-x509", "-new", "-key", file(`${name}.key`), "-subj", `/CN=${name}`, "-days", "2", "-out", file(`${name}.pem`));
  };
  const issue = (name, by, extensions) => {
    key(name);
    writeFileSync(file(`${name}.ext`), extensions);
    openssl("req", "-new", "-key", file(`${name}.key`), "-subj", `/CN=${name}`, "-out", file(`${name}.csr`));
    openssl("x509", "-req", "-in", file(`${name}.csr`), "-CA", file(`${by}.pem`), "-CAkey", file(`${by}.key`), "-CAcreateserial",
      "-days", "2", "-extfile", file(`${name}.ext`), "-out", file(`${name}.pem`));
  };
  authority("ca");
  authority("other");
  issue("server", "ca", "subjectAltName=IP:127.0.0.1,DNS:localhost");
  issue("elsewhere", "ca", "subjectAltName=DNS:elsewhere.example");
  issue("client", "ca", "extendedKeyUsage=clientAuth");
  const pin = (name) => {
    const pub = openssl("x509", "-in", file(`${name}.pem`), "-pubkey", "-noout");
    writeFileSync(file(`${name}.pub`), pub);
    openssl("pkey", "-pubin", "-in", file(`${name}.pub`), "-outform", "DER", "-out", file(`${name}.der`));
    return `sha256//${openssl("dgst", "-sha256", "-binary", file(`${name}.der`)).toString("base64")}`;
  };
  const options = (name) => ({ key: readFileSync(file(`${name}.key`)), cert: readFileSync(file(`${name}.pem`)) });
  // The server's once more, with other dates: "20190101000000Z".
  const dated = (name, from, to) => {
    writeFileSync(file(`${name}.cnf`),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${file("index")}\nserial=${file(`${name}.srl`)}\nnew_certs_dir=${file("")}\ncertificate=${file("ca.pem")}\n` +
        `private_key=${file("ca.key")}\ndefault_md=sha256\npolicy=p\nx509_extensions=x\nrand_serial=yes\nunique_subject=no\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=IP:127.0.0.1\n`);
    writeFileSync(file("index"), "", { flag: "a" });
    openssl("ca", "-batch", "-config", file(`${name}.cnf`), "-in", file("server.csr"), "-out", file(`${name}.pem`),
      "-startdate", from, "-enddate", to, "-notext");
    return { key: readFileSync(file("server.key")), cert: readFileSync(file(`${name}.pem`)) };
  };
  return { file, pin, options, dated, ca: () => readFileSync(file("ca.pem")) };
}
